"""Lists of executions: what a list selects, its order, and its pages by key, for pages, API and bulk operations.

Other packages use the names below.
"""

from executions.listing.counting import MAX_COUNTED, count_up_to
from executions.listing.criteria import Criteria
from executions.listing.pages import Page, Position, Sort, page_of
from executions.listing.selection import matching, visible_workspaces

__all__ = [
    "MAX_COUNTED",
    "Criteria",
    "Page",
    "Position",
    "Sort",
    "count_up_to",
    "matching",
    "page_of",
    "visible_workspaces",
]

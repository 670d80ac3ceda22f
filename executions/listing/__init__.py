"""Lists of executions: what a list selects, its order, and its pages by key, for pages, API and bulk operations.

Other packages use the names below.
"""

from executions.listing.counting import MAX_COUNTED, count_up_to
from executions.listing.criteria import Criteria
from executions.listing.failures import MAX_GROUPS, FailureGroup, failure_groups
from executions.listing.pages import ListOrder, ListPage, Position, page_of
from executions.listing.selection import matching, visible_workspaces

__all__ = [
    "MAX_COUNTED",
    "MAX_GROUPS",
    "Criteria",
    "FailureGroup",
    "ListOrder",
    "ListPage",
    "Position",
    "count_up_to",
    "failure_groups",
    "matching",
    "page_of",
    "visible_workspaces",
]

"""Operations on many executions: rerun, cancel, delete. `plan` counts what `start` would change; jobs do it in slices.

Other packages use the names below.
"""

from executions.bulk.starting import BulkPlan, cancel, plan, start, start_deletion

__all__ = ["BulkPlan", "cancel", "plan", "start", "start_deletion"]

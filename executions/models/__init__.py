"""The tables of executions: workflows, executions, node runs, schedules, credentials, waits and files.

Other packages may use all of them; only `executions.lifecycle` changes a status.
"""

from executions.models.binary import Binary, BinaryChunk, BinaryUse
from executions.models.bulk_operation import BulkKind, BulkOperation, BulkState
from executions.models.column_choice import ColumnChoice
from executions.models.credential import Credential
from executions.models.execution import Execution, Mode, OnFailure, Priority, Trigger
from executions.models.execution_attribute import ExecutionAttribute
from executions.models.insight import (
    HELD,
    Insight,
    InsightAutomation,
    InsightKind,
    InsightLook,
    InsightQuerySet,
    InsightStatus,
    PlatformSample,
)
from executions.models.item_child import ItemChild
from executions.models.item_outcome import ItemOutcome
from executions.models.node_grouping import NodeGrouping
from executions.models.node_run import NodeRun
from executions.models.notification import (
    EmailChoice,
    EmailState,
    MutedWorkflow,
    Notification,
    NotificationEmail,
    NotificationKind,
    NotificationPreference,
    NotificationQuerySet,
    WorkflowHealth,
    WorkflowScope,
)
from executions.models.rate_bucket import RateBucket
from executions.models.rollup import (
    HOUR,
    MINUTE,
    ExecutionRollup,
    ExecutionTotal,
    NodeRollup,
    NodeTotal,
    RollupPosition,
)
from executions.models.saved_view import SavedView
from executions.models.schedule import Missed, Schedule
from executions.models.search_document import SearchDocument, WordsQuery
from executions.models.static_data import StaticData
from executions.models.wait import HoldPlace, Wait, WaitKind
from executions.models.workflow import NoSuchWorkflow, WebhookClaim, WebhookRoute, Workflow, WorkflowVersion

__all__ = [
    "HELD",
    "HOUR",
    "MINUTE",
    "Binary",
    "BinaryChunk",
    "BinaryUse",
    "BulkKind",
    "BulkOperation",
    "BulkState",
    "ColumnChoice",
    "Credential",
    "EmailChoice",
    "EmailState",
    "Execution",
    "ExecutionAttribute",
    "ExecutionRollup",
    "ExecutionTotal",
    "HoldPlace",
    "Insight",
    "InsightAutomation",
    "InsightKind",
    "InsightLook",
    "InsightQuerySet",
    "InsightStatus",
    "ItemChild",
    "ItemOutcome",
    "Missed",
    "Mode",
    "MutedWorkflow",
    "NoSuchWorkflow",
    "NodeGrouping",
    "NodeRollup",
    "NodeRun",
    "NodeTotal",
    "Notification",
    "NotificationEmail",
    "NotificationKind",
    "NotificationPreference",
    "NotificationQuerySet",
    "OnFailure",
    "PlatformSample",
    "Priority",
    "RateBucket",
    "RollupPosition",
    "SavedView",
    "Schedule",
    "SearchDocument",
    "StaticData",
    "Trigger",
    "Wait",
    "WaitKind",
    "WebhookClaim",
    "WebhookRoute",
    "WordsQuery",
    "Workflow",
    "WorkflowHealth",
    "WorkflowScope",
    "WorkflowVersion",
]

from executions.models.execution import Execution, Priority, Trigger
from executions.models.node_run import NodeRun
from executions.models.schedule import Missed, Schedule
from executions.models.workflow import WebhookRoute, Workflow, WorkflowVersion

__all__ = [
    "Execution",
    "Missed",
    "NodeRun",
    "Priority",
    "Schedule",
    "Trigger",
    "WebhookRoute",
    "Workflow",
    "WorkflowVersion",
]

from executions.models.credential import Credential
from executions.models.execution import Execution, Priority, Trigger
from executions.models.node_run import NodeRun
from executions.models.schedule import Missed, Schedule
from executions.models.wait import Wait, WaitKind
from executions.models.workflow import NoSuchWorkflow, WebhookRoute, Workflow, WorkflowVersion

__all__ = [
    "Credential",
    "Execution",
    "Missed",
    "NoSuchWorkflow",
    "NodeRun",
    "Priority",
    "Schedule",
    "Trigger",
    "Wait",
    "WaitKind",
    "WebhookRoute",
    "Workflow",
    "WorkflowVersion",
]

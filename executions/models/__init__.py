from executions.models.execution import Execution, Priority, Trigger
from executions.models.node_run import NodeRun
from executions.models.wait import Wait, WaitKind
from executions.models.workflow import WebhookRoute, Workflow, WorkflowVersion

__all__ = [
    "Execution",
    "NodeRun",
    "Priority",
    "Trigger",
    "Wait",
    "WaitKind",
    "WebhookRoute",
    "Workflow",
    "WorkflowVersion",
]

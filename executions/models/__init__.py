from executions.models.credential import Credential
from executions.models.execution import Execution, Priority, Trigger
from executions.models.node_run import NodeRun
from executions.models.workflow import WebhookRoute, Workflow, WorkflowVersion

__all__ = ["Credential", "Execution", "NodeRun", "Priority", "Trigger", "WebhookRoute", "Workflow", "WorkflowVersion"]

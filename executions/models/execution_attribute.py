"""The attributes of executions, as rows that lists are found by."""

from __future__ import annotations

from django.db import models

from executions.models.execution import Execution
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet


class ExecutionAttributeQuerySet(WorkspaceScopedQuerySet["ExecutionAttribute"]):
    pass


class ExecutionAttribute(models.Model):
    """One attribute of an execution. It repeats `Execution.attributes`: an index finds the newest executions with a
    value, which a JSON column cannot give in order."""

    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=50)
    value = models.CharField(max_length=255)

    objects = ExecutionAttributeQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["execution", "key"], name="one_value_per_attribute")]
        indexes = [models.Index(fields=["workspace", "key", "value", "-execution"], name="execution_by_attribute")]

    def __str__(self) -> str:
        return f"{self.key}:{self.value}"

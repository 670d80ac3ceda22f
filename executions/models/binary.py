"""Files beside items: their content in chunks, and the executions that use them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from executions.models.execution import Execution
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class BinaryQuerySet(WorkspaceScopedQuerySet["Binary"]):
    pass


class Binary(models.Model):
    """The content of a file. It never changes once it is complete."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=255)
    size = models.BigIntegerField(null=True, help_text="Bytes; null until the content is complete.")
    sha256 = models.BinaryField(max_length=32, null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    objects = BinaryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "binaries"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(size__isnull=True, sha256__isnull=True)
                | models.Q(size__gte=0, sha256__isnull=False),
                name="complete_binaries_have_size_and_digest",
            )
        ]

    def __str__(self) -> str:
        return self.name


class BinaryChunk(models.Model):
    """A part of the content. All parts of a file have the same size, except the last."""

    pk = models.CompositePrimaryKey("binary_id", "number")
    binary = models.ForeignKey(Binary, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField(help_text="From 0.")
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.binary_id}[{self.number}]"


class BinaryUse(models.Model):
    """An execution may read the file. A file without uses is deleted after a day."""

    pk = models.CompositePrimaryKey("execution_id", "binary_id")
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="binary_uses", db_index=False)
    binary = models.ForeignKey(Binary, on_delete=models.CASCADE, related_name="uses")

    def __str__(self) -> str:
        return f"{self.binary_id} in {self.execution_id}"

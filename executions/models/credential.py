"""Credentials that nodes authenticate with. The secrets are encrypted; only `executions.credentials` decrypts them."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone

from executions.domain.credential_types import CREDENTIAL_TYPES
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7

TYPE_CHOICES = [(name, kind.label) for name, kind in CREDENTIAL_TYPES.items()]


class CredentialQuerySet(WorkspaceScopedQuerySet["Credential"]):
    def called(self, reference: str) -> CredentialQuerySet:
        """Return the credentials with this name or id. Names never have the form of an id."""
        try:
            return self.filter(pk=UUID(reference))
        except ValueError:
            return self.filter(name=reference)


class Credential(models.Model):
    """Secrets of a workspace, under a name that its workflows refer to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=40, choices=TYPE_CHOICES)
    description = models.TextField(blank=True, max_length=2000)
    allowed_hosts = models.JSONField(
        default=list,
        blank=True,
        help_text="Hosts that it may be sent to, such as api.example.com or *.example.com; empty: any host.",
    )
    data = models.BinaryField(editable=False, help_text="Encrypted.")
    key = models.CharField(max_length=16, editable=False, help_text="A mark of the key that it is encrypted under.")
    fields_set = models.JSONField(default=list, editable=False, help_text="Which fields have a value.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_credential_per_name_and_workspace"),
            models.CheckConstraint(
                condition=models.Q(type__in=list(CREDENTIAL_TYPES)), name="credential_type_is_known"
            ),
        ]
        indexes = [models.Index(fields=["key"], name="credential_key")]

    def __str__(self) -> str:
        return self.name

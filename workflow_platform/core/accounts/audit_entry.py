"""The table of the audit log: who changed what about the members and tokens of a workspace."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from workflow_platform.core.identifiers import uuid7


class AuditKind(models.TextChoices):
    WORKSPACE_CREATED = "workspace.created", "Workspace created"
    WORKSPACE_RENAMED = "workspace.renamed", "Workspace renamed"
    WORKSPACE_DELETED = "workspace.deleted", "Workspace deleted"
    MEMBER_ADDED = "member.added", "Member added"
    MEMBER_REMOVED = "member.removed", "Member removed"
    MEMBER_LEFT = "member.left", "Member left"
    MEMBER_ROLE_CHANGED = "member.role_changed", "Role changed"
    INVITATION_CREATED = "invitation.created", "Invitation created"
    INVITATION_RENEWED = "invitation.renewed", "Invitation renewed"
    INVITATION_REVOKED = "invitation.revoked", "Invitation revoked"
    TOKEN_CREATED = "token.created", "API token created"
    TOKEN_REVOKED = "token.revoked", "API token revoked"
    PASSWORD_CHANGED = "password.changed", "Password changed"
    SIGN_IN_FAILED = "sign_in.failed", "Sign-in failed"


class AuditEntry(models.Model):
    """A change of a workspace, or of the account of one of its members. It is never changed.

    Names are kept as they were; the entry outlives its workspace and users. It holds no secret.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace_id = models.UUIDField(editable=False)
    kind = models.CharField(max_length=30, choices=AuditKind.choices, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    actor_name = models.CharField(max_length=150, blank=True, editable=False, help_text="Empty: the platform.")
    subject = models.CharField(max_length=254, editable=False, help_text="The member, addressee or workspace.")
    data: Any = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["workspace_id", "-id"], name="audit_by_workspace")]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=AuditKind.values), name="audit_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def details(self) -> str:
        """Return what a page shows beside the kind and the subject."""
        data = self.data
        match self.kind:
            case AuditKind.MEMBER_ROLE_CHANGED:
                return f"from {data['from']} to {data['to']}"
            case AuditKind.TOKEN_CREATED | AuditKind.TOKEN_REVOKED:
                return f"“{data['name']}” with {', '.join(data['scopes'])}"
            case AuditKind.SIGN_IN_FAILED:
                return f"from {data['network']}" if data.get("network") else ""
            case AuditKind.WORKSPACE_RENAMED:
                return f"was {data['from']}"
        return f"as {data['role']}" if "role" in data else ""

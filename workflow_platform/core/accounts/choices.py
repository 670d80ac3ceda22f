"""What users, memberships and tokens can have: roles, scopes and themes. The API has their labels in English; pages
translate them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_noop as _


class Role(models.TextChoices):
    """What a member may do; each role includes the ones before it."""

    VIEWER = "viewer", _("Viewer: see")
    EDITOR = "editor", _("Editor: change workflows and run them")
    ADMIN = "admin", _("Admin: members, credentials, endpoints, tokens")

    @property
    def and_above(self) -> list[Role]:
        """Return the roles that include this one."""
        ranked = list(Role)
        return ranked[ranked.index(self) :]


class TokenScope(models.TextChoices):
    """What an API token may be used for; each scope includes the ones before it. The role of its user is the limit."""

    READ = "read", _("Read: see what a viewer sees")
    RUN = "run", _("Run: start, cancel and rerun executions, decide approvals, resend deliveries")
    EDIT = "edit", _("Edit: create, change and delete workflows")
    ADMIN = "admin", _("Admin: members, credentials, endpoints, tokens and the account")

    def includes(self, other: TokenScope) -> bool:
        """Return whether a token with this scope may do what needs `other`."""
        ranked = list(TokenScope)
        return ranked.index(self) >= ranked.index(other)

    @property
    def roles(self) -> frozenset[Role]:
        """Return the roles that a token with this scope can use."""
        if self is TokenScope.READ:
            return frozenset({Role.VIEWER})
        return frozenset(Role) if self is TokenScope.ADMIN else frozenset({Role.VIEWER, Role.EDITOR})


class Theme(models.TextChoices):
    """The colours of the pages."""

    SYSTEM = "system", _("Like the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


def all_scopes() -> list[str]:
    """Return the scopes of a token that may do everything its user may."""
    return list(TokenScope.values)


class AuditKind(models.TextChoices):
    WORKSPACE_CREATED = "workspace.created", _("Workspace created")
    WORKSPACE_RENAMED = "workspace.renamed", _("Workspace renamed")
    WORKSPACE_DELETED = "workspace.deleted", _("Workspace deleted")
    MEMBER_ADDED = "member.added", _("Member added")
    MEMBER_REMOVED = "member.removed", _("Member removed")
    MEMBER_LEFT = "member.left", _("Member left")
    MEMBER_ROLE_CHANGED = "member.role_changed", _("Role changed")
    INVITATION_CREATED = "invitation.created", _("Invitation created")
    INVITATION_RENEWED = "invitation.renewed", _("Invitation renewed")
    INVITATION_REVOKED = "invitation.revoked", _("Invitation revoked")
    TOKEN_CREATED = "token.created", _("API token created")
    TOKEN_REVOKED = "token.revoked", _("API token revoked")
    PASSWORD_CHANGED = "password.changed", _("Password changed")
    SIGN_IN_FAILED = "sign_in.failed", _("Sign-in failed")
    HOLD_ANSWERED = "hold.answered", _("Held node run answered")
    ADMIN_ADDED = "admin.added", _("Added in the admin site")
    ADMIN_CHANGED = "admin.changed", _("Changed in the admin site")
    ADMIN_DELETED = "admin.deleted", _("Deleted in the admin site")
    ADMIN_ACTION = "admin.action", _("Action in the admin site")
    ADVICE_APPLIED = "advice.applied", _("Advice applied")
    ADVICE_UNDONE = "advice.undone", _("Advice undone")
    ADVICE_DISMISSED = "advice.dismissed", _("Advice dismissed")
    ADVICE_AUTOMATION = "advice.automation", _("Automatic advice changed")

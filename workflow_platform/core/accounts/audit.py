"""Writes the audit log: in the transaction of the change, so that neither is there without the other.

What concerns an account (tokens, password, failed sign-ins) is written for each workspace of the user, since it gives
access to all of them. What staff do in the admin site is written for the workspaces of the objects; without one, for
NOWHERE, which only the admin site lists. Entries are deleted after a year.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldError
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from workflow_platform.core.accounts.models import (
    ApiToken,
    AuditEntry,
    AuditKind,
    Invitation,
    Membership,
    User,
    Workspace,
)

KEPT = timedelta(days=365)
FAILURES_EVERY = timedelta(hours=1)
"""The shortest time between two entries about failed sign-ins of one user: guesses do not fill the log."""
MOST_WORKSPACES = 200
MOST_OBJECTS = 20
"""Of one entry: the ids of more are left out."""
NOWHERE = UUID(int=0)
SWEPT = 5_000


def workspace_changed(kind: AuditKind, workspace: Workspace, by: User | None, **data: Any) -> None:
    """Record that a workspace was created, renamed or deleted."""
    _write(kind, [workspace.pk], by, workspace.name, data)


def member_changed(kind: AuditKind, membership: Membership, by: User | None, **data: Any) -> None:
    """Record that a member was added or removed, has left, or got another role."""
    _write(kind, [membership.workspace_id], by, membership.user.get_username(), data)


def invitation_changed(kind: AuditKind, invitation: Invitation, by: User | None) -> None:
    """Record that an invitation was created, renewed or revoked."""
    addressee = invitation.email or invitation.username
    _write(kind, [invitation.workspace_id], by, addressee, {"role": invitation.role})


def token_changed(kind: AuditKind, token: ApiToken, by: User | None) -> None:
    """Record that a token was created or revoked: its name, scopes and expiry."""
    expires_at = token.expires_at.isoformat() if token.expires_at else None
    data = {"token": str(token.pk), "name": token.name, "scopes": list(token.scopes), "expires_at": expires_at}
    _write(kind, _workspaces_of(token.user), by, token.user.get_username(), data)


def account_changed(kind: AuditKind, user: User, by: User | None) -> None:
    """Record a change of an account, such as a new password."""
    _write(kind, _workspaces_of(user), by, user.get_username(), {})


def sign_in_failed(user: User | None, network: str) -> None:
    """Record a failed sign-in of the user, at most once in FAILURES_EVERY. An unknown user costs the same queries, so
    that the response time does not show whether the user exists."""
    workspaces = _workspaces_of(user)
    name = user.get_username() if user is not None else ""
    recent = AuditEntry.objects.filter(workspace_id__in=workspaces[:1] or [NOWHERE], subject=name)
    recent = recent.filter(kind=AuditKind.SIGN_IN_FAILED, at__gt=timezone.now() - FAILURES_EVERY)
    if not recent.exists():
        _write(AuditKind.SIGN_IN_FAILED, workspaces, None, name, {"network": network})


def advice_changed(kind: AuditKind, workspace: UUID, by: User | None, subject: str, **data: Any) -> None:
    """Record that advice was applied, undone or dismissed, or which kinds of it the platform applies by itself."""
    _write(kind, [workspace], by, subject[:254], data)


def hold_answered(workspace: UUID, by: User, subject: str, **data: Any) -> None:
    """Record that somebody answered a held node run: which, with which action, and what was edited; no values."""
    _write(AuditKind.HOLD_ANSWERED, [workspace], by, subject[:254], data)


def changed_in_admin(kind: AuditKind, rows: Sequence[Model], by: User, **data: Any) -> None:
    """Record what staff did with objects of one model in the admin site: which, and which fields changed; no values."""
    model = type(rows[0])
    by_workspace: dict[UUID, list[Model]] = defaultdict(list)
    for row, workspaces in zip(rows, _owners_of(rows), strict=True):
        for workspace in workspaces or [NOWHERE]:
            by_workspace[workspace].append(row)
    for workspace, own in by_workspace.items():
        subject = str(own[0]) if len(own) == 1 else f"{len(own)} {model._meta.verbose_name_plural}"
        objects = {"model": model._meta.label_lower, "objects": [str(row.pk) for row in own[:MOST_OBJECTS]]}
        _write(kind, [workspace], by, subject[:254], objects | data)


def _owners_of(rows: Sequence[Model]) -> list[list[UUID]]:
    """Return the workspaces of each object."""
    model = type(rows[0])
    if isinstance(rows[0], User):
        return [_workspaces_of(row) for row in rows if isinstance(row, User)]
    if isinstance(rows[0], Workspace):
        return [[row.pk] for row in rows]
    found = model._default_manager.filter(pk__in=[row.pk for row in rows]).order_by()
    path = getattr(found, "workspace_path", "workspace")
    try:
        owners = dict(found.values_list("pk", path))
    except FieldError:  # it belongs to no workspace
        return [[] for _ in rows]
    return [[owner] if (owner := owners.get(row.pk)) else [] for row in rows]


def details_of(entry: AuditEntry) -> str:
    """Return what a page shows beside the kind and the subject, in its language."""
    data = entry.data
    before, role, network = data.get("from", ""), data.get("role", ""), data.get("network", "")
    match entry.kind:
        case AuditKind.MEMBER_ROLE_CHANGED:
            after = data["to"]
            return _("from %(before)s to %(after)s") % {"before": _(before), "after": _(after)}
        case AuditKind.TOKEN_CREATED | AuditKind.TOKEN_REVOKED:
            scopes = ", ".join(pgettext("scope", scope) for scope in data["scopes"])
            return _("“%(name)s” with %(scopes)s") % {"name": data["name"], "scopes": scopes}
        case AuditKind.SIGN_IN_FAILED:
            return _("from %(network)s") % {"network": _(network)} if network else ""
        case AuditKind.ADMIN_CHANGED if data["fields"]:
            return f"{data['model']}: {', '.join(data['fields'])}"
        case AuditKind.ADMIN_ACTION:
            return f"{data['model']}: {data['action']}"
        case AuditKind.ADMIN_ADDED | AuditKind.ADMIN_CHANGED | AuditKind.ADMIN_DELETED:
            return str(data["model"])
        case AuditKind.ADVICE_APPLIED | AuditKind.ADVICE_UNDONE if data["version"]:
            return _("%(advice)s, version %(version)s") % {"advice": _(data["advice"]), "version": data["version"]}
        case AuditKind.ADVICE_APPLIED | AuditKind.ADVICE_UNDONE | AuditKind.ADVICE_DISMISSED:
            return _(data["advice"])
        case AuditKind.ADVICE_AUTOMATION:
            return ", ".join(_(kind) for kind in data["kinds"]) or _("off")
        case AuditKind.WORKSPACE_RENAMED:
            return _("was %(name)s") % {"name": before}
    return _("as %(role)s") % {"role": _(role)} if role else ""


def sweep() -> int:
    """Delete old entries. Returns how many."""
    old = AuditEntry.objects.filter(at__lt=timezone.now() - KEPT).order_by("at")
    count, _ = AuditEntry.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEPT])).delete()
    return count


def _workspaces_of(user: User | None) -> list[UUID]:
    rows = Membership.objects.filter(user_id=user.pk if user is not None else 0).order_by("workspace_id")
    return list(rows.values_list("workspace_id", flat=True)[:MOST_WORKSPACES])


def _write(kind: AuditKind, workspaces: list[UUID], by: User | None, subject: str, data: dict[str, Any]) -> None:
    name = by.get_username() if by is not None else ""
    AuditEntry.objects.bulk_create(
        AuditEntry(workspace_id=each, kind=kind, actor=by, actor_name=name, subject=subject, data=data)
        for each in workspaces
    )

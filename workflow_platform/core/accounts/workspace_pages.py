"""The pages of workspaces: the list, one workspace with members and invitations, and the choice in the navigation."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from workflow_platform.core.accounts import audit, invitation_emails
from workflow_platform.core.accounts.models import AuditEntry, Membership, Role, User
from workflow_platform.core.api.page_filters import uuid_or_none

LISTED = 200
AUDIT_LISTED = 30


@login_required
def workspaces(request: HttpRequest) -> HttpResponse:
    """List the caller's workspaces with their role in each."""
    rows = _memberships(request).annotate(members=Count("workspace__memberships"))
    return render(request, "accounts/workspaces.html", {"memberships": rows[:LISTED], "page_data": {}})


@login_required
def workspace(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """Show a workspace to its members: name and role; to its admins also members and invitations."""
    own = get_object_or_404(_memberships(request), workspace_id=workspace_id)
    admin = own.role == Role.ADMIN
    members = Membership.objects.filter(workspace=own.workspace).select_related("user").order_by("user__username")
    pending = own.workspace.invitations.filter(accepted_at=None, revoked_at=None).select_related("invited_by")
    context: dict[str, Any] = {
        "own": own,
        "workspace": own.workspace,
        "admin": admin,
        "roles": [(role.value, *gettext(role.label).split(": ", 1)) for role in Role],
        "members": members[:LISTED] if admin else [],
        "member_count": members.count(),
        "listed": LISTED,
        "invitations": pending[:LISTED] if admin else [],
        "audit": _audit(own.workspace_id, request.GET.get("audit_before")) if admin else None,
        "now": timezone.now(),
        "sends_email": invitation_emails.is_configured(),
        "page_data": {"workspace": str(own.workspace_id), "name": own.workspace.name},
    }
    return render(request, "accounts/workspace.html", context)


def _audit(workspace_id: UUID, before: str | None) -> dict[str, Any]:
    """Return a page of the audit log, newest first."""
    entries = AuditEntry.objects.filter(workspace_id=workspace_id)
    if (first := uuid_or_none(before)) is not None:
        entries = entries.filter(pk__lt=first)
    rows = list(entries[: AUDIT_LISTED + 1])
    older = rows[AUDIT_LISTED - 1].pk if len(rows) > AUDIT_LISTED else None
    entries_shown = [
        (entry, gettext(entry.get_kind_display()), audit.details_of(entry)) for entry in rows[:AUDIT_LISTED]
    ]
    return {"entries": entries_shown, "older": older, "newest": first is None}


@login_required
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Remember the workspace whose objects the pages list, none for all of them, and return to `next`."""
    text = request.POST.get("workspace", "")
    workspace_id = uuid_or_none(text)
    if text and (workspace_id is None or not _memberships(request).filter(workspace_id=workspace_id).exists()):
        raise Http404
    User.objects.filter(pk=cast(User, request.user).pk).update(default_workspace=workspace_id)
    target = request.POST.get("next", "")
    local = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return redirect(target if local else "dashboard")


def switcher(request: HttpRequest) -> dict[str, Any]:
    """Give every page `memberships`, the caller's with their workspaces; queried only where they are shown."""
    return {"memberships_of_user": SimpleLazyObject(lambda: list(_memberships(request)[:LISTED]))}


def _memberships(request: HttpRequest) -> Any:
    rows = Membership.objects.filter(user=cast(User, request.user)).select_related("workspace")
    return rows.order_by("workspace__name", "workspace_id")

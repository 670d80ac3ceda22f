"""Invitations: the only way into the workspace of another user, apart from the admin site.

An invitation is a link with a secret. Nothing is looked up when it is created, so that it does not reveal who has an
account. It can be used once, by its addressee, while its sender is still an admin.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _
from rest_framework.exceptions import APIException, NotFound

from workflow_platform.core.accounts import audit, memberships
from workflow_platform.core.accounts.models import AuditKind, Invitation, Membership, Role, User, Workspace

VALID = timedelta(days=7)
LONGEST_VALID = timedelta(days=30)
HOUR = timedelta(hours=1)
MOST_PENDING = 100
MOST_PER_HOUR = 100
LONGEST_TOKEN = 100
KEPT = timedelta(days=90)
"""How long an ended invitation is kept."""
SWEPT = 1_000
NO_SUCH_INVITATION = _("This invitation does not exist, has expired, was used, or is for another person.")


class TooManyPending(APIException):
    """The workspace has reached the limit of pending invitations."""

    status_code = 409
    default_detail = f"The workspace has {MOST_PENDING} pending invitations, which is the limit. Revoke some first."
    default_code = "too_many_pending"


class TooManyInvitations(APIException):
    """The workspace has reached the limit of invitations in an hour."""

    status_code = 429
    default_detail = f"A workspace can send {MOST_PER_HOUR} invitations an hour. Try again later."
    default_code = "throttled"
    wait = 600
    """Seconds; the REST framework sends it as Retry-After."""


class NotPending(APIException):
    """The invitation was accepted or revoked."""

    status_code = 409
    default_detail = "This invitation was accepted or revoked. Create a new one."
    default_code = "not_pending"


class AlreadyMember(APIException):
    """The user is already a member and keeps their role."""

    status_code = 409
    default_detail = _("You are a member of this workspace already. One of its admins can change your role.")
    default_code = "already_member"


@transaction.atomic
def invite(
    workspace: Workspace, by: User, role: Role, *, email: str = "", username: str = "", until: datetime | None = None
) -> tuple[Invitation, str]:
    """Make an invitation to an email address or a username. Returns the row and the token, which cannot be shown
    again. Raises TooManyPending and TooManyInvitations."""
    memberships.lock(workspace)
    sent, now = Invitation.objects.filter(workspace=workspace), timezone.now()
    if pending(workspace).count() >= MOST_PENDING:
        raise TooManyPending
    if sent.filter(created_at__gt=now - HOUR).count() >= MOST_PER_HOUR:
        raise TooManyInvitations
    token = secrets.token_urlsafe(32)
    addressee = {"email": email, "username": username}
    expiry = until or now + VALID
    row = Invitation.objects.create(
        workspace=workspace, invited_by=by, role=role, digest=_digest(token), expires_at=expiry, **addressee
    )
    audit.invitation_changed(AuditKind.INVITATION_CREATED, row, by)
    return row, token


@transaction.atomic
def renew(invitation: Invitation, by: User) -> str:
    """Give a pending invitation a new link, valid for as long as a new invitation; the old link becomes invalid.
    Returns the token. Raises TooManyInvitations, and NotPending if it has ended."""
    memberships.lock(invitation.workspace)
    row = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).first()
    if row is None:
        raise NotPending
    recent = Invitation.objects.filter(workspace_id=row.workspace_id, renewed_at__gt=timezone.now() - HOUR)
    if recent.count() >= MOST_PER_HOUR:
        raise TooManyInvitations
    token = secrets.token_urlsafe(32)
    row.digest, row.invited_by, row.renewed_at = _digest(token), by, timezone.now()
    row.expires_at = row.renewed_at + VALID
    row.save(update_fields=["digest", "invited_by", "renewed_at", "expires_at"])
    audit.invitation_changed(AuditKind.INVITATION_RENEWED, row, by)
    return token


def pending(workspace: Workspace) -> Any:
    """Return the invitations of a workspace that can still be accepted."""
    rows = Invitation.objects.filter(workspace=workspace, accepted_at=None, revoked_at=None)
    return rows.filter(expires_at__gt=timezone.now())


@transaction.atomic
def revoke(invitation: Invitation, by: User) -> None:
    """Revoke an invitation. An accepted one does not change: remove the member instead."""
    rows = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
    if rows.update(revoked_at=timezone.now()):
        audit.invitation_changed(AuditKind.INVITATION_REVOKED, invitation, by)


def find(token: str, user: User) -> Invitation:
    """Return the invitation that a user may accept. Raises NotFound, with the same message for every reason."""
    invitation = find_open(token)
    if not invitation.is_for(user):
        raise NotFound(NO_SUCH_INVITATION)
    return invitation


def find_open(token: str) -> Invitation:
    """Return the invitation that somebody can accept, for a person with the link who has not logged in. Raises
    NotFound."""
    if len(token) <= LONGEST_TOKEN:
        invitation = Invitation.objects.select_related("workspace", "invited_by").filter(digest=_digest(token)).first()
        if invitation is not None and _is_open(invitation) and _sender_may_invite(invitation):
            return invitation
    raise NotFound(NO_SUCH_INVITATION)


@transaction.atomic
def accept(token: str, user: User) -> Membership:
    """Make the user a member. Raises NotFound as `find` does, and AlreadyMember."""
    memberships.lock(find(token, user).workspace)
    invitation = find(token, user)  # again: it may have been used, or its sender removed, during the wait
    if Membership.objects.filter(workspace=invitation.workspace, user=user).exists():
        raise AlreadyMember
    membership = Membership.objects.create(workspace=invitation.workspace, user=user, role=invitation.role)
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    audit.member_changed(AuditKind.MEMBER_ADDED, membership, user, role=membership.role, invitation=str(invitation.pk))
    return membership


def link(token: str) -> str:
    """Return the URL for the invited person."""
    return f"{settings.PUBLIC_URL}/invitations/{token}/"


def sweep() -> int:
    """Delete invitations that ended long ago. Returns how many."""
    old = Invitation.objects.filter(expires_at__lte=timezone.now() - KEPT).order_by("expires_at")
    count, _ = Invitation.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEPT])).delete()
    return count


def _is_open(invitation: Invitation) -> bool:
    open_still = invitation.accepted_at is None and invitation.revoked_at is None
    return open_still and invitation.expires_at > timezone.now()


def _sender_may_invite(invitation: Invitation) -> bool:
    sender = Membership.objects.filter(workspace_id=invitation.workspace_id, user_id=invitation.invited_by_id)
    return sender.filter(role=Role.ADMIN, user__is_active=True).exists()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()

"""Changes and ends memberships. A workspace keeps at least one active admin."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import APIException

from workflow_platform.core.accounts.models import Invitation, Membership, Role, User, Workspace


class LastAdmin(APIException):
    """This is the workspace's last admin; make another member admin first."""

    status_code = 409
    default_detail = "This is the workspace's last admin; make another member admin first."
    default_code = "last_admin"


def lock(workspace: Workspace) -> None:
    """Serialize changes of the workspace's members. Otherwise two admins who demote each other at once would both see
    another admin."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)


@transaction.atomic
def change_role(membership: Membership, role: Role) -> None:
    """Give a member another role. Raises LastAdmin."""
    if role != Role.ADMIN:
        _keep_an_admin(membership)
    membership.role = role
    membership.save(update_fields=["role"])


@transaction.atomic
def end(membership: Membership) -> None:
    """End a membership, and revoke the pending invitations to the same user, so that they cannot return. Invitations
    from the user become invalid with their role. Raises LastAdmin."""
    _keep_an_admin(membership)
    user = membership.user
    pending = Invitation.objects.filter(workspace_id=membership.workspace_id, accepted_at=None, revoked_at=None)
    invitation_ids = [invitation.pk for invitation in pending if invitation.is_for(user)]
    Invitation.objects.filter(pk__in=invitation_ids).update(revoked_at=timezone.now())
    User.objects.filter(pk=user.pk, default_workspace=membership.workspace_id).update(default_workspace=None)
    membership.delete()


def _keep_an_admin(membership: Membership) -> None:
    admins = Membership.objects.filter(workspace_id=membership.workspace_id, role=Role.ADMIN, user__is_active=True)
    if membership.role == Role.ADMIN and not admins.exclude(pk=membership.pk).exists():
        raise LastAdmin

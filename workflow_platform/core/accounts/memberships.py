"""Changes and ends memberships. A workspace keeps at least one active admin."""

from __future__ import annotations

from django.db import transaction
from django.db.models import SET_NULL, ForeignObjectRel, Model
from django.utils import timezone
from rest_framework.exceptions import APIException

from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import AuditKind, Invitation, Membership, Role, User, Workspace

MOST_COUNTED = 1_000


class LastAdmin(APIException):
    """This is the workspace's last admin; make another member admin first."""

    status_code = 409
    default_detail = "This is the workspace's last admin; make another member admin first."
    default_code = "last_admin"


class NotEmpty(APIException):
    """The workspace still owns something."""

    status_code = 409
    default_code = "not_empty"

    def __init__(self, owned: dict[type[Model], int]) -> None:
        counts = [_counted(model, count) for model, count in owned.items() if count]
        super().__init__(f"Only an empty workspace can be deleted. This one still has {', '.join(counts)}.")


def lock(workspace: Workspace) -> None:
    """Serialize changes of the workspace's members. Otherwise two admins who demote each other at once would both see
    another admin."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)


@transaction.atomic
def change_role(membership: Membership, role: Role, by: User) -> None:
    """Give a member another role. Raises LastAdmin."""
    if role != Role.ADMIN:
        _keep_an_admin(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    if before != role:
        audit.member_changed(AuditKind.MEMBER_ROLE_CHANGED, membership, by, **{"from": before, "to": role})


@transaction.atomic
def end(membership: Membership, by: User) -> None:
    """End a membership, and revoke the pending invitations to the same user, so that they cannot return. Invitations
    from the user become invalid with their role. Raises LastAdmin."""
    _keep_an_admin(membership)
    user = membership.user
    pending = Invitation.objects.filter(workspace_id=membership.workspace_id, accepted_at=None, revoked_at=None)
    invitation_ids = [invitation.pk for invitation in pending if invitation.is_for(user)]
    Invitation.objects.filter(pk__in=invitation_ids).update(revoked_at=timezone.now())
    User.objects.filter(pk=user.pk, default_workspace=membership.workspace_id).update(default_workspace=None)
    kind = AuditKind.MEMBER_LEFT if user == by else AuditKind.MEMBER_REMOVED
    audit.member_changed(kind, membership, by, role=membership.role)
    membership.delete()


@transaction.atomic
def hand_over(workspace: Workspace, by: User, to: Membership) -> None:
    """Make another member an admin, and the admin `by` an editor."""
    change_role(to, Role.ADMIN, by)
    change_role(Membership.objects.get(workspace=workspace, user=by), Role.EDITOR, by)


@transaction.atomic
def delete_empty(workspace: Workspace, by: User) -> None:
    """Delete a workspace that owns nothing but its members and invitations. Raises NotEmpty."""
    lock(workspace)
    owned = owned_by(workspace)
    if any(owned.values()):
        raise NotEmpty(owned)
    audit.workspace_changed(AuditKind.WORKSPACE_DELETED, workspace, by)
    workspace.delete()


def owned_by(workspace: Workspace) -> dict[type[Model], int]:
    """Return how many objects of each model the workspace owns, its members and invitations apart, counted up to
    MOST_COUNTED."""
    return {
        relation.related_model: relation.related_model._base_manager.filter(**{relation.field.name: workspace.pk})[
            :MOST_COUNTED
        ].count()
        for relation in Workspace._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel)
        and relation.on_delete is not SET_NULL
        and relation.related_model not in {Membership, Invitation}
    }


def named(model: type[Model], count: int) -> str:
    """Return the name of a model, for one object or several."""
    return str(model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural)


def _counted(model: type[Model], count: int) -> str:
    return f"{count}{'+' if count == MOST_COUNTED else ''} {named(model, count)}"


def _keep_an_admin(membership: Membership) -> None:
    admins = Membership.objects.filter(workspace_id=membership.workspace_id, role=Role.ADMIN, user__is_active=True)
    if membership.role == Role.ADMIN and not admins.exclude(pk=membership.pk).exists():
        raise LastAdmin

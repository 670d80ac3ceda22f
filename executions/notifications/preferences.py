"""What a user wants to be notified of: for all workspaces, for one of them, and muted workflows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from executions.models import EmailChoice, MutedWorkflow, NotificationPreference, Workflow
from workflow_platform.core.accounts.models import Membership, User

FIELDS = ("in_page", "email", "workflows")
MOST_MUTED = 1_000


class TooManyMuted(Exception):
    """The user has muted MOST_MUTED workflows."""


def general_of(user: User) -> NotificationPreference:
    """Return the preference for all workspaces; the defaults if the user has not chosen."""
    stored = NotificationPreference.objects.filter(user=user, membership=None).first()
    return stored or NotificationPreference(user=user)


def of_workspaces(user: User) -> list[tuple[Membership, NotificationPreference | None]]:
    """Return the memberships of the user, with the preference of those workspaces that have their own."""
    rows = Membership.objects.filter(user=user).select_related("workspace", "notification_preference")
    return [(row, getattr(row, "notification_preference", None)) for row in rows.order_by("workspace__name", "pk")]


def email_choices(user: User) -> dict[UUID, EmailChoice]:
    """Return by workspace when the user wants email now."""
    general = general_of(user)
    return {member.workspace_id: EmailChoice((own or general).email) for member, own in of_workspaces(user)}


def muted_of(user: User) -> list[MutedWorkflow]:
    """Return the muted workflows that the user can still see."""
    visible = Workflow.objects.visible_to(user).filter(deleted_at=None).order_by().values("pk")
    rows = MutedWorkflow.objects.filter(user=user, workflow__in=visible)
    return list(rows.select_related("workflow").only("created_at", "user", "workflow__name", "workflow__workspace"))


@transaction.atomic
def change(user: User, general: Mapping[str, Any], workspaces: Mapping[UUID, Mapping[str, Any] | None]) -> None:
    """Change fields of the preference for all workspaces, and the preferences of single workspaces.

    A workspace with None follows the general one again. The user is a member of each workspace.
    """
    User.objects.select_for_update(of=["self"], no_key=True).get(pk=user.pk)  # two requests at once create one row
    if general:
        NotificationPreference.objects.update_or_create(user=user, membership=None, defaults=dict(general))
    members = {row.workspace_id: row for row in Membership.objects.filter(user=user, workspace__in=workspaces)}
    for workspace, values in workspaces.items():
        if values is None:
            NotificationPreference.objects.filter(membership=members[workspace]).delete()
        else:
            base = {field: getattr(general_of(user), field) for field in FIELDS}
            NotificationPreference.objects.update_or_create(
                membership=members[workspace],
                defaults={"user": user, **values},
                create_defaults={"user": user, **base, **values},
            )


@transaction.atomic
def mute(user: User, workflows: Collection[UUID]) -> None:
    """Mute workflows that the user can see. Raises TooManyMuted."""
    rows = [MutedWorkflow(user=user, workflow_id=pk) for pk in workflows]
    MutedWorkflow.objects.bulk_create(rows, ignore_conflicts=True)
    if MutedWorkflow.objects.filter(user=user).count() > MOST_MUTED:
        raise TooManyMuted(f"You have muted {MOST_MUTED} workflows, the maximum. Unmute some first.")


def unmute(user: User, workflows: Collection[UUID]) -> None:
    """Notify the user of these workflows again."""
    MutedWorkflow.objects.filter(user=user, workflow__in=workflows).delete()

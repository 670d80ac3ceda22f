"""What a user wants to be notified of: for all workspaces, for one of them, and muted workflows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from executions.models import EmailChoice, MutedWorkflow, NotificationPreference, Workflow
from workflow_platform.core.accounts.models import Membership, User

FIELDS = ("in_page", "email", "emails", "workflows")
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


def chosen_by_workspace(user: User) -> dict[UUID, NotificationPreference]:
    """Return the preference that applies to each workspace of the user."""
    general = general_of(user)
    return {member.workspace_id: own or general for member, own in of_workspaces(user)}


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
    _lock(user)  # two requests at once create one row
    members = {row.workspace_id: row for row in Membership.objects.filter(user=user, workspace__in=workspaces)}
    if general:
        row = general_of(user)
        _set(row, general)
        row.save()
    for workspace, values in workspaces.items():
        own = NotificationPreference.objects.filter(membership=members[workspace])
        if values is None:
            own.delete()
            continue
        row = own.first() or _copy(general_of(user), members[workspace])
        _set(row, values)
        row.save()


@transaction.atomic
def stop_emails(user: User) -> None:
    """Send the user no notifications by email any more, of no workspace and no kind."""
    _lock(user)
    NotificationPreference.objects.filter(user=user).update(email=EmailChoice.OFF, emails={})


def _lock(user: User) -> None:
    User.objects.select_for_update(of=["self"], no_key=True).get(pk=user.pk)


def _set(row: NotificationPreference, values: Mapping[str, Any]) -> None:
    """Change fields. In `emails` the kinds that are given change; None: as `email` says."""
    for field, value in values.items():
        if field == "emails":
            value = {kind: each for kind, each in (row.emails | value).items() if each is not None}
        setattr(row, field, value)


def _copy(general: NotificationPreference, membership: Membership) -> NotificationPreference:
    values = {field: getattr(general, field) for field in FIELDS}
    return NotificationPreference(user=general.user, membership=membership, **values)


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

"""Deletes a workspace with everything in it: nobody sees it from the request on, and it takes no new work; a job then
removes its contents in slices.

The request is a column of the workspace, so that a killed job, a lost Redis or a restart delays the removal and loses
nothing. The apps that own contents register how to refuse new work and how to remove a slice.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import CASCADE, ForeignObjectRel, Model, Q
from django.db.models.functions import Now
from django.utils import timezone

from workflow_platform.core import jobs
from workflow_platform.core.accounts import audit, memberships
from workflow_platform.core.accounts.models import AuditKind, Invitation, Membership, User, Workspace

logger = logging.getLogger(__name__)

KIND = "workspace_removal"
JOB_SECONDS = 20.0
QUEUED_GRACE = timedelta(seconds=30)
"""A job that has not ended within this time is queued again."""
AT_ONCE = 20
NEXT_DUE = "SELECT min(deletion_requested_at) FROM accounts_workspace"
"""When `sweep` has something to look at, as SQL."""
SLICE = 20


class RemovalSlice(enum.Enum):
    MORE = enum.auto()
    WAITING = enum.auto()
    """What is left still ends, such as running executions."""
    DONE = enum.auto()


@dataclass(frozen=True)
class ContentOwner:
    """An app whose objects belong to workspaces. Both functions take the workspace's id and can be repeated."""

    order: int
    close: Callable[[UUID], None]
    """Refuses new work, in the transaction of the request."""
    remove: Callable[[UUID], RemovalSlice]
    """Removes some of the contents, in transactions of its own."""
    contents: tuple[type[Model], ...] = ()
    """What the preview counts."""


_owners: list[ContentOwner] = []


def register(owner: ContentOwner) -> None:
    """Register an app. Those with a lower order remove their contents first."""
    _owners.append(owner)
    _owners.sort(key=lambda each: each.order)


@transaction.atomic
def request(workspace: Workspace, by: User) -> None:
    """Delete the workspace for its members, and let a job remove its contents."""
    memberships.lock(workspace)
    requested = Workspace.objects.filter(pk=workspace.pk, deletion_requested_at=None)
    if not requested.update(deletion_requested_at=timezone.now(), removal_queued_at=Now()):
        return
    audit.workspace_changed(AuditKind.WORKSPACE_DELETED, workspace, by, contents=contents_of(workspace))
    for owner in _owners:
        owner.close(workspace.pk)
    User.objects.filter(default_workspace=workspace).update(default_workspace=None)
    for membership in Membership.objects.filter(workspace=workspace):
        membership.delete()  # one by one: open connections of the member are checked again
    Invitation.objects.filter(workspace=workspace).delete()
    transaction.on_commit(lambda: jobs.enqueue(KIND, [workspace.pk]))


def contents_of(workspace: Workspace) -> list[dict[str, Any]]:
    """Return what would be deleted with the workspace: `{what, count}`, counted up to MOST_COUNTED."""
    most = memberships.MOST_COUNTED
    models = [model for owner in _owners for model in owner.contents]
    counts = {model: model._base_manager.filter(workspace=workspace)[:most].count() for model in models}
    return [
        {"what": memberships.named(model, count), "count": count, "more": count == most}
        for model, count in counts.items()
        if count
    ]


def sweep() -> int:
    """Queue a job for each workspace whose removal has none. Returns how many."""
    unqueued = Q(removal_queued_at__isnull=True) | Q(removal_queued_at__lte=Now() - QUEUED_GRACE)
    due = Workspace.objects.filter(unqueued, deletion_requested_at__isnull=False).order_by("pk")
    ids = list(due.values_list("pk", flat=True)[:AT_ONCE])
    if ids:
        Workspace.objects.filter(pk__in=ids).update(removal_queued_at=Now())
        jobs.enqueue(KIND, ids)
    return len(ids)


def work(workspace_id: UUID, stop: threading.Event) -> None:
    """Remove the contents of a workspace, and then the workspace, until it is done, what is left has to end first,
    JOB_SECONDS pass, or `stop` is set. The sweep queues the next job."""
    until = time.monotonic() + JOB_SECONDS
    while not stop.is_set() and time.monotonic() < until:
        if remove_slice(workspace_id) is not RemovalSlice.MORE:
            break
    Workspace.objects.filter(pk=workspace_id).update(removal_queued_at=None)


def remove_slice(workspace_id: UUID) -> RemovalSlice:
    """Remove some of the contents, and the workspace itself when nothing is left."""
    workspace = Workspace.objects.filter(pk=workspace_id, deletion_requested_at__isnull=False).first()
    if workspace is None:
        return RemovalSlice.DONE
    for owner in _owners:
        if (slice_ := owner.remove(workspace_id)) is not RemovalSlice.DONE:
            return slice_
    for relation in _relations():
        rows = relation.related_model._base_manager.filter(**{relation.field.name: workspace_id}).order_by("pk")
        if ids := list(rows.values_list("pk", flat=True)[:SLICE]):
            relation.related_model._base_manager.filter(pk__in=ids).delete()
            return RemovalSlice.MORE
    workspace.delete()
    logger.info("workspace removed", extra={"workspace_id": workspace_id})
    return RemovalSlice.DONE


def _relations() -> list[Any]:
    return [
        relation
        for relation in Workspace._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel) and relation.on_delete is CASCADE and _is_model(relation)
    ]


def _is_model(relation: ForeignObjectRel) -> bool:
    return isinstance(relation.related_model, type) and issubclass(relation.related_model, Model)

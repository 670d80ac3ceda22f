"""What a user sees of their notifications, and marking them as read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from executions.models import Execution, Notification, NotificationKind, Wait
from executions.notifications import user_stream
from executions.waits import approvals
from workflow_platform.core.accounts.models import User

MOST_COUNTED = 100
MOST_AT_ONCE = 100
"""Ids in one request."""
CLOSED = {
    "approved": gettext_lazy("Approved."),
    "rejected": gettext_lazy("Rejected."),
    "expired": gettext_lazy("Expired."),
    "withdrawn": gettext_lazy("No longer needed."),
}


@dataclass(frozen=True, slots=True)
class ShownNotification:
    """A notification in words, of the language in which it is read, with the page of its subject."""

    row: Notification
    title: str
    text: str
    url: str
    unread: bool


def unread_count(user: User) -> int:
    """Return how many unread notifications the user has, counted up to MOST_COUNTED."""
    return Notification.objects.visible_to(user).unread().order_by()[:MOST_COUNTED].count()


def shown(rows: Iterable[Notification]) -> list[ShownNotification]:
    """Return notifications in words. Approvals say what was decided, and are then no longer unread."""
    rows = list(rows)
    wait_ids = [row.wait_id for row in rows if row.wait_id]
    waits = Wait.objects.select_related("execution").only("outcome", "expires_at", "resolved_at", "execution__ended_at")
    waits_by_id = waits.in_bulk(wait_ids) if wait_ids else {}
    ids = [row.execution_id for row in rows if row.execution_id]
    existing = set(Execution.objects.filter(pk__in=ids).order_by().values_list("pk", flat=True)) if ids else set()
    return [_in_words(row, waits_by_id.get(row.wait_id) if row.wait_id else None, existing) for row in rows]


def _in_words(row: Notification, wait: Wait | None, existing: Collection[UUID]) -> ShownNotification:
    unread = row.read_at is None
    url = reverse("workflow", args=[row.workflow_id]) if row.workflow_id else reverse("notifications")
    if row.execution_id in existing:
        url = reverse("monitor", args=[row.execution_id])
    subject, node = {"name": row.subject}, {"node": row.node}
    if row.kind == NotificationKind.FAILED:
        text = _("Failed at %(node)s.") % node if row.node else _("The execution failed.")
        return ShownNotification(row, _("%(name)s failed") % subject, text, url, unread)
    if row.kind == NotificationKind.RECOVERED:
        text = ngettext(
            "It recovered after %(count)s failed execution.",
            "It recovered after %(count)s failed executions.",
            row.failures,
        ) % {"count": row.failures}
        return ShownNotification(row, _("%(name)s works again") % subject, text, url, unread)
    if row.kind == NotificationKind.ENDPOINT:
        url = reverse("webhook-endpoint", args=[row.endpoint_id])
        text = _("Its receiver kept failing. Events are not sent to it until you enable it.")
        return ShownNotification(row, _("Endpoint %(name)s was disabled") % subject, text, url, unread)
    state = approvals.state_of(wait) if wait else "withdrawn"
    text = _("%(node)s waits for a decision.") % node if state == "open" else str(CLOSED[state])
    return ShownNotification(row, _("%(name)s needs an approval") % subject, text, url, unread and state == "open")


@transaction.atomic
def mark_read(user: User, ids: Collection[UUID] = (), through: UUID | None = None) -> int:
    """Mark these notifications of the user as read, or with `through` all up to that one. Returns how many changed.

    Notifications of other users are ignored, also as `through`. The user's other pages are updated.
    """
    own = Notification.objects.visible_to(user)
    if through is not None and not own.filter(pk=through).exists():
        return 0
    rows = own.filter(read_at__isnull=True).order_by("pk")
    rows = rows.filter(pk__in=ids) if through is None else rows.filter(pk__lte=through)
    changed = list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))
    if changed:
        Notification.objects.filter(pk__in=changed).update(read_at=timezone.now())
        user_stream.announce_read(
            user.pk, [] if through else [str(pk) for pk in changed], str(through) if through else None
        )
    return len(changed)

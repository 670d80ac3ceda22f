"""Explains why a delivery is pending."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from webhooks.models import Delivery, DeliveryStatus, Endpoint, Lane
from webhooks.models.delivery import UNENDED


def why_pending(delivery: Delivery) -> str | None:
    """Return what a pending delivery waits for, as a sentence in the current language; None if it is not pending."""
    if delivery.status != DeliveryStatus.PENDING:
        return None
    now = timezone.now()
    endpoint = delivery.endpoint
    if endpoint is not None and (reason := _endpoint(endpoint)):
        return reason
    if ahead := _ahead(delivery):
        return _("Waiting for an earlier delivery of the same stream: %(delivery)s.") % {"delivery": ahead}
    lane = Lane.objects.filter(pk=delivery.lane_id).first()
    if lane is not None and (reason := _lane(lane, now)):
        return reason
    if delivery.due_at > now:
        tried = delivery.attempts_made - delivery.attempts_before
        due = _("The next attempt is due at %(moment)s.") % {"moment": _moment(delivery.due_at)}
        failed = _("Failed attempts so far: %(count)s.") % {"count": tried}
        return f"{due} {failed}" if tried else due
    return (_turn(lane, endpoint, now) if lane is not None else None) or _("It is due; a worker is about to send it.")


def _endpoint(endpoint: Endpoint) -> str | None:
    if endpoint.deleted_at is not None:
        return _("The endpoint was deleted; the delivery is about to be cancelled.")
    if not endpoint.active:
        inactive = _("The endpoint is inactive")
        return f"{inactive}: {endpoint.disabled_reason}" if endpoint.disabled_reason else inactive
    if endpoint.paused_at is None:
        return None
    return _("The endpoint is paused (since %(moment)s). Resume it to send its deliveries.") % {
        "moment": _moment(endpoint.paused_at)
    }


def _ahead(delivery: Delivery) -> str | None:
    if not delivery.ordering_key:
        return None
    before = Delivery.objects.filter(
        lane_id=delivery.lane_id, ordering_key=delivery.ordering_key, status__in=UNENDED, id__lt=delivery.pk
    )
    first = before.order_by("id").values_list("pk", flat=True).first()
    return None if first is None else str(first)


def _lane(lane: Lane, now: datetime) -> str | None:
    if lane.open_until is not None and lane.open_until > now:
        return _(
            "The circuit breaker is open after %(failures)s failures in a row. One attempt probes the receiver at "
            "%(moment)s."
        ) % {"failures": lane.failures, "moment": _moment(lane.open_until)}
    if lane.not_before is not None and lane.not_before > now:
        return _("The receiver asked for a pause until %(moment)s (Retry-After).") % {
            "moment": _moment(lane.not_before)
        }
    return None


def _turn(lane: Lane, endpoint: Endpoint | None, now: datetime) -> str | None:
    if endpoint is not None and endpoint.rate_limit:
        refilled = (now - lane.tokens_at).total_seconds() * endpoint.rate_limit / endpoint.rate_seconds
        if min(lane.tokens + refilled, endpoint.rate_limit) < 1:
            return _("The rate limit is reached: %(attempts)s attempts in %(seconds)s s.") % {
                "attempts": endpoint.rate_limit,
                "seconds": f"{endpoint.rate_seconds:g}",
            }
    at_once = int(lane.window) if endpoint is None else min(int(lane.window), endpoint.max_concurrent)
    sending = Delivery.objects.filter(lane_id=lane.pk, status=DeliveryStatus.SENDING).count()
    if lane.opened_times and sending:
        return _("The circuit breaker is half open: one attempt is probing the receiver.")
    if sending >= at_once:
        return _(
            "The concurrency limit of the receiver is reached: %(sending)s of %(most)s attempts are in flight."
        ) % {
            "sending": sending,
            "most": at_once,
        }
    return None


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

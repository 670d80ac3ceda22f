"""An endpoint whose deliveries keep failing: the share of failed attempts, and how long deliveries have waited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from executions.insights.findings import Finding, seconds_text
from executions.models import InsightKind
from webhooks.models import AttemptOutcome, Delivery, DeliveryAttempt, DeliveryStatus, Lane

SPAN = timedelta(hours=6)
MOST_ENDPOINTS, MOST_ATTEMPTS, MOST_PENDING = 200, 50, 1000
LEAST = 10
"""Attempts."""
LEAST_FAILURE_RATE = 0.5


@dataclass(frozen=True, slots=True)
class FailureShare:
    """The attempts of an endpoint."""

    n: int
    failed: int
    reason: str
    """The most frequent one: the status code or class of the error."""

    @property
    def rate(self) -> float:
        """Return the share of failed attempts."""
        return self.failed / self.n


def decide(attempts: Sequence[tuple[str, int | None, str]]) -> FailureShare | None:
    """Return the failures, if they are many, also among the latest. `attempts` are (outcome, status code, class of the
    error), the newest first."""
    latest = sum(outcome != AttemptOutcome.DELIVERED for outcome, *_ in attempts[:LEAST])
    failures = [each for each in attempts if each[0] != AttemptOutcome.DELIVERED]
    if len(attempts) < LEAST or min(len(failures) / len(attempts), latest / LEAST) < LEAST_FAILURE_RATE:
        return None
    reasons = Counter(str(code) if code and error in {"", "status"} else error for _, code, error in failures)
    return FailureShare(len(attempts), len(failures), reasons.most_common(1)[0][0])


def detect() -> list[Finding]:
    """Return the endpoints that are failing now."""
    since = timezone.now() - SPAN
    lanes = Lane.objects.filter(failed_at__gte=since, endpoint__isnull=False).select_related("endpoint")
    findings = []
    for lane in lanes.order_by("pk")[:MOST_ENDPOINTS]:
        recent = DeliveryAttempt.objects.filter(endpoint_id=lane.pk).order_by("-id")
        rows = recent.values_list("outcome", "status_code", "error_class", "started_at")[:MOST_ATTEMPTS]
        found = decide([(outcome, code, error) for outcome, code, error, at in rows if at >= since])
        if found is not None:
            findings.append(_finding(lane, found))
    return findings


def _finding(lane: Lane, found: FailureShare) -> Finding:
    assert lane.endpoint is not None
    assert lane.workspace_id is not None
    now = timezone.now()
    pending = Delivery.objects.filter(lane_id=lane.pk, status=DeliveryStatus.PENDING).order_by("rank", "due_at")
    oldest = min(pending.values_list("created_at", flat=True)[:MOST_PENDING], default=None)
    waits = (now - oldest).total_seconds() if oldest else 0.0
    text = f"{found.rate:.0%} of {found.n} attempts failed ({found.reason})"
    if oldest:
        text += f"; the oldest delivery has waited {seconds_text(waits)}"
    evidence = {
        "n": found.n,
        "span_s": round(SPAN.total_seconds()),
        "failed": found.failed,
        "failure_rate": round(found.rate, 3),
        "reason": found.reason,
        "failing_since": lane.failing_since.isoformat() if lane.failing_since else None,
        "breaker_open": bool(lane.open_until and lane.open_until > now),
        "oldest_pending_s": round(waits),
    }
    figure = {"value": round(found.rate, 3), "unit": "share", "text": text}
    subject = {"endpoint": str(lane.pk), "name": lane.endpoint.name}
    return Finding(InsightKind.ENDPOINT_FAILING, lane.workspace_id, str(lane.pk), subject, evidence, figure)

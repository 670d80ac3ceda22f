"""The status of an endpoint, as a word and a sentence, from its row and its lane."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webhooks.models import Endpoint, Lane

State = Literal["active", "paused", "disabled", "inactive", "resting", "failing"]


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """The status of an endpoint. `status` selects the colour; `until` is when it changes by itself."""

    state: State
    status: str
    word: str
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


def endpoint_status(endpoint: Endpoint, lane: Lane | None, now: datetime) -> EndpointStatus:
    """Return the status of an endpoint."""
    if not endpoint.active and endpoint.disabled_at:
        reason = endpoint.disabled_reason or _("The receiver responded with 410 Gone, or failed for days.")
        return EndpointStatus("disabled", "failed", _("disabled"), reason, since=endpoint.disabled_at)
    if not endpoint.active:
        return EndpointStatus("inactive", "skipped", _("inactive"), _("Off. Events are not delivered."))
    if endpoint.paused_at:
        return EndpointStatus(
            "paused", "paused", _("paused"), _("Deliveries are queued and not sent."), since=endpoint.paused_at
        )
    if lane and lane.open_until and lane.open_until > now:
        reason = ngettext(
            "Paused after %(count)s failure in a row.", "Paused after %(count)s failures in a row.", lane.failures
        ) % {"count": lane.failures}
        return EndpointStatus(
            "resting", "timed_out", _("paused (failing)"), reason, lane.failing_since, lane.open_until
        )
    if lane and lane.failing_since:
        # Rejections (most 4xx) are not counted: the receiver works, so they do not lead to a pause.
        reason = _("The receiver rejects deliveries.")
        if lane.failures:
            reason = ngettext("%(count)s failure in a row.", "%(count)s failures in a row.", lane.failures) % {
                "count": lane.failures
            }
        return EndpointStatus("failing", "waiting", _("failing"), reason, since=lane.failing_since)
    return EndpointStatus("active", "completed", _("active"))

"""What is special about deliveries of spans: where they go, how they are encoded, and what the collector answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

import orjson

from webhooks.models import Origin
from webhooks.secrets import SealedSecrets
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.signing import BadSecret
from workflow_platform.core.outbound import OutboundResponse
from workflow_platform.core.telemetry import exporting, protobuf

logger = logging.getLogger(__name__)

OFF = "Traces are not exported: OTEL_EXPORTER_OTLP_ENDPOINT is not set."


def is_for_collector(claimed: ClaimedDelivery) -> bool:
    """Return whether a delivery is one of spans."""
    return claimed.origin == Origin.TRACE


def address(claimed: ClaimedDelivery) -> SealedSecrets:
    """Return the collector's address and headers, and set how the body is sent. Raises BadSecret if there is none."""
    collector = exporting.collector()
    if collector is None:
        raise BadSecret(OFF)
    claimed.content_type = collector.content_type
    claimed.options = (claimed.options or {}) | {"timeout_seconds": collector.timeout_seconds}
    return SealedSecrets(url=collector.url, headers=dict(collector.headers))


def encoded(claimed: ClaimedDelivery) -> bytes:
    """Return the body of a delivery as it is sent: rows of spans hold OTLP JSON."""
    if is_for_collector(claimed) and claimed.content_type == exporting.CONTENT_TYPES["http/protobuf"]:
        return protobuf.request_of(claimed.body)
    return claimed.body.encode()


def note_answer(answer: OutboundResponse) -> None:
    """Log what the collector did not take although it answered with success (OTLP's partial success)."""
    if not 200 <= answer.status < 300 or not answer.body:
        return
    of_type: Callable[[bytes], tuple[int, str]] = _partial_success
    if "protobuf" in answer.headers.get("content-type", ""):
        of_type = protobuf.partial_success
    try:
        rejected, message = of_type(answer.body)
    except (ValueError, TypeError, AttributeError):  # some answer with text
        return
    if rejected or message:
        logger.warning(
            "collector rejected %d spans of a delivery that it accepted: %s", rejected, message[:500],
            extra={"count": rejected},
        )  # fmt: skip


def _partial_success(body: bytes) -> tuple[int, str]:
    partial = orjson.loads(body).get("partialSuccess") or {}
    return int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")

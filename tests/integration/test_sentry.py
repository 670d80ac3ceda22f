"""Errors in Sentry: the real client against a server that takes its envelopes."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk

from tests.receiving import Receiver, receiving
from workflow_platform.core.telemetry import sentry
from workflow_platform.installation.embedded import wait_until

logger = logging.getLogger("tests.sentry")
SECRET = "abcdef" * 3
NAME = " ".join(["Ada", "Lovelace"])  # the lines of code around an error are sent


@pytest.fixture
def sentry_server(settings: Any) -> Iterator[Receiver]:
    with receiving() as server:
        settings.SENTRY_DSN = server.url.replace("http://", "http://public@") + "7"
        yield server
        sentry_sdk.get_client().close(timeout=5)
        sentry_sdk.init()  # without a DSN: sends nothing


def test_errors_of_the_log_arrive_without_secrets_and_data(sentry_server: Receiver) -> None:
    assert sentry.start("worker")
    logger.info("asked https://api.example.com/?access_token=%s", SECRET)
    items = [{"name": NAME}]
    try:
        raise ValueError(f"refused: Authorization: Bearer {SECRET}1")
    except ValueError:
        logger.exception("node %s failed", "ask", extra={"node": "ask", "api_key": SECRET, "count": len(items)})
    sentry_sdk.flush(10)
    wait_until(lambda: bool(sentry_server.requests), "The event")
    (event,) = [_event(request.body) for request in sentry_server.requests if request.body != b""]
    text = json.dumps(event)
    assert SECRET not in text
    assert NAME not in text
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["tags"]["component"] == "worker"
    assert (event["extra"]["node"], event["extra"]["count"]) == ("ask", 1)
    assert any("asked" in crumb["message"] for crumb in event["breadcrumbs"]["values"])
    assert not {"request", "user", "modules"} & event.keys()


def test_without_a_dsn_nothing_is_started(settings: Any) -> None:
    settings.SENTRY_DSN = ""
    assert not sentry.start("worker")


def _event(envelope: bytes) -> dict[str, Any]:
    lines = (gzip.decompress(envelope) if envelope[:2] == b"\x1f\x8b" else envelope).splitlines()
    found = [json.loads(body) for head, body in zip(lines[1::2], lines[2::2], strict=True) if b'"event"' in head]
    (event,) = found
    return dict(event)

"""Events of tests that need no execution: streams of their own, and what was heard of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from django.db import transaction
from events.log.models import Stream

from events import log
from events.log import NewEvent
from events.log.recorded import RecordedEvent
from workflow_platform.core.accounts.models import Workspace


def make_stream(workspace: str = "tests") -> Stream:
    """Open the stream of an execution that there is not."""
    found, _ = Workspace.objects.get_or_create(slug=workspace, defaults={"name": workspace.title()})
    return log.open_stream(f"execution:{uuid4()}", found.pk)


def said(message: str) -> dict[str, object]:
    """Return the data of a log line."""
    return {"level": "info", "message": message}


def append(stream: Stream, *messages: str, source: str = "tests") -> list[RecordedEvent]:
    """Append log lines, in one transaction."""
    with transaction.atomic():
        return log.append([NewEvent(stream.pk, "execution.log", said(text), source) for text in messages])


def messages(events: Sequence[RecordedEvent]) -> list[str]:
    """Return what the log lines say."""
    return [event.data["message"] for event in events]

"""A process that writes events to many streams and tells when each batch was committed.

`python -m tests.benchmarks.writer PLAN` prints the names of the streams, waits for a line, writes, and prints the time
of each batch (CLOCK_MONOTONIC, seconds); then it waits for a line again, or for its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from typing import Any
from uuid import uuid4

import django

django.setup()

from channels.layers import get_channel_layer  # noqa: E402
from django.db import transaction  # noqa: E402
from events.log.models import Stream  # noqa: E402

from events import log  # noqa: E402
from events.catalogue.event_types import payload_text  # noqa: E402
from events.log import NewEvent  # noqa: E402
from events.log.recorded import RecordedEvent  # noqa: E402
from events.streaming import publisher  # noqa: E402
from tests.benchmarks.plan import Plan  # noqa: E402
from workflow_platform.core.accounts.models import Workspace  # noqa: E402

PAYLOAD = {"level": "info", "message": "x" * 200, "node": "node", "run_index": 0}
SENTENCE = (
    "order {} of customer {} was accepted in {} ms; the payment {} is tried again after a timeout because the service"
    " answered with status {}; stock of item {} is low in the warehouse {} and invoice {} waits"
)
HELD_AT_ONCE = 200


def payloads(varied: bool) -> Callable[[], dict[str, Any]]:
    """Return what returns the payload of the next event."""
    if not varied:
        return lambda: PAYLOAD
    chance = random.Random(1)

    def text() -> str:
        return SENTENCE.format(*(chance.randrange(10**6) for _ in range(SENTENCE.count("{}"))))

    prepared = cycle([PAYLOAD | {"message": text()} for _ in range(1000)])
    return lambda: next(prepared)


class Writer:
    """Writes a plan's batches to its streams."""

    def __init__(self, plan: Plan, streams: list[Stream]) -> None:
        self.plan, self.streams = plan, streams
        self._payload = payloads(plan.varied)

    async def run(self) -> list[float]:
        """Write all batches at the plan's rate. Returns when each was written."""
        write: Callable[[list[Stream]], Awaitable[float]]
        write = self.persisted if self.plan.mode == "persisted" else self.bare
        times: list[float] = []
        first, size, rate = time.monotonic(), self.plan.streams_per_batch, self.plan.batches_per_second
        for number in range(self.plan.batches):
            if rate:
                await asyncio.sleep(max(0.0, first + number / rate - time.monotonic()))
            start = number % self.plan.turns * size
            times.append(await write(self.streams[start : start + size]))
        return times

    async def persisted(self, streams: list[Stream]) -> float:
        """Append a batch in one transaction. Returns when it was committed."""
        return self.append(streams, self.plan.events_per_stream)

    def append(self, streams: list[Stream], each: int) -> float:
        """Append so many events to each of the streams. Returns when they were committed."""
        committed = 0.0

        def note() -> None:
            nonlocal committed
            committed = time.monotonic()

        with transaction.atomic():
            transaction.on_commit(note)  # before the one that publishes
            log.append(
                [NewEvent(s.pk, "execution.log", self._payload(), "benchmark") for s in streams for _ in range(each)]
            )
        return committed

    async def bare(self, streams: list[Stream]) -> float:
        """Send the same frames through the channel layer. Returns when sending began."""
        began, layer = time.monotonic(), get_channel_layer()
        for stream in streams:
            events = [self._unwritten(stream) for _ in range(self.plan.events_per_stream)]
            await layer.group_send(publisher.group_of(stream.name), publisher.message(stream.name, events))
        return began

    def _unwritten(self, stream: Stream) -> RecordedEvent:
        stream.last_sequence += 1
        return RecordedEvent(
            id=str(uuid4()),
            type="execution.log",
            source="benchmark",
            time="2026-01-01T00:00:00.000000Z",
            execution_id=None,
            workflow_id=None,
            stream=stream.name,
            stream_id=stream.pk,
            workspace_id=None,
            sequence=stream.last_sequence,
            feed_sequence=None,
            workflow_sequence=None,
            transaction=0,
            payload=payload_text("execution.log", self._payload()),
        )


def main(plan: Plan) -> None:
    """Write as told."""
    workspace = Workspace.objects.order_by("created_at").first()
    assert workspace is not None
    streams = log.open_streams([(f"execution:{uuid4()}", workspace.pk) for _ in range(plan.streams)])
    writer = Writer(plan, streams)
    for _ in range(plan.held // HELD_AT_ONCE):
        writer.append(streams[:1], HELD_AT_ONCE)
    print(json.dumps([stream.name for stream in streams]), flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(writer.run())), flush=True)
    sys.stdin.readline()  # the publisher's thread ends with the process: not before everything has arrived


if __name__ == "__main__":
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # the loop has nothing else to do
    main(Plan.parse(sys.argv[1]))

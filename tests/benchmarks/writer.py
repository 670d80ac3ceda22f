"""A process that writes events to many streams and tells when each batch was committed.

`python -m tests.benchmarks.writer MODE STREAMS BATCHES RATE` prints the names of the streams, waits for a line, writes,
and prints the time of each batch (CLOCK_MONOTONIC, seconds). A batch is one append of 200 events: 25 for each of 8
streams, which take turns. MODE `persisted` appends them to the log; `bare` sends the same frames straight through the
channel layer. RATE is in batches per second; 0: as fast as it goes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import django

django.setup()

from channels.layers import get_channel_layer  # noqa: E402
from django.db import transaction  # noqa: E402

from events import live, log  # noqa: E402
from events.event_types import payload_text  # noqa: E402
from events.log import NewEvent  # noqa: E402
from events.models import Stream  # noqa: E402
from events.recorded import RecordedEvent  # noqa: E402
from workflow_platform.accounts.models import Workspace  # noqa: E402

PAYLOAD = {"level": "info", "message": "x" * 200, "node": "node", "run_index": 0}
STREAMS_PER_BATCH, EVENTS_PER_STREAM = 8, 25
EVENTS_PER_BATCH = STREAMS_PER_BATCH * EVENTS_PER_STREAM


def of_batch(streams: list[Stream], number: int) -> list[Stream]:
    """Return the streams whose turn it is in a batch, counted from 0."""
    return [streams[(number * STREAMS_PER_BATCH + k) % len(streams)] for k in range(STREAMS_PER_BATCH)]


async def persisted(streams: list[Stream], number: int) -> float:
    """Append a batch in one transaction. Returns when it was committed."""
    return _append(of_batch(streams, number))


def _append(streams: list[Stream]) -> float:
    committed = 0.0

    def note() -> None:
        nonlocal committed
        committed = time.monotonic()

    with transaction.atomic():
        transaction.on_commit(note)  # before the one that publishes
        log.append(
            [
                NewEvent(stream.pk, "execution.log", PAYLOAD, "benchmark")
                for stream in streams
                for _ in range(EVENTS_PER_STREAM)
            ]
        )
    return committed


async def bare(streams: list[Stream], number: int) -> float:
    """Send the same frames through the channel layer. Returns when sending began."""
    began, layer = time.monotonic(), get_channel_layer()
    for stream in of_batch(streams, number):
        events = [_unwritten(stream) for _ in range(EVENTS_PER_STREAM)]
        await layer.group_send(live.group_of(stream.name), live.message(stream.name, events))
    return began


def _unwritten(stream: Stream) -> RecordedEvent:
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
        payload=payload_text("execution.log", PAYLOAD),
    )


async def paced(write: Callable[[int], Awaitable[float]], batches: int, rate: float) -> list[float]:
    """Write batches at a rate. Returns when each was written."""
    times: list[float] = []
    first = time.monotonic()
    for number in range(batches):
        if rate:
            await asyncio.sleep(max(0.0, first + number / rate - time.monotonic()))
        times.append(await write(number))
    return times


def main(mode: str, count: int, batches: int, rate: float) -> None:
    """Write as told."""
    workspace = Workspace.objects.order_by("created_at").first()
    assert workspace is not None
    streams = log.open_streams([(f"execution:{uuid4()}", workspace.pk) for _ in range(count)])
    print(json.dumps([stream.name for stream in streams]), flush=True)
    sys.stdin.readline()
    write = persisted if mode == "persisted" else bare
    times = asyncio.run(paced(lambda number: write(streams, number), batches, rate))
    print(json.dumps(times), flush=True)
    sys.stdin.readline()  # the publisher's thread ends with the process: not before everything has arrived


if __name__ == "__main__":
    import os

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # the loop has nothing else to do
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))

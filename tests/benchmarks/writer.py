"""A process that writes events to many streams, in batches of one event for each, and tells when each was committed.

`python -m tests.benchmarks.writer MODE STREAMS BATCHES RATE` prints the names of the streams, waits for a line, writes,
and prints the time of each batch (CLOCK_MONOTONIC, seconds). MODE `persisted` appends them to the log; `bare` sends the
same envelopes straight through the channel layer. RATE is in batches per second; 0: as fast as it goes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from uuid import uuid4

import django

django.setup()

from channels.layers import get_channel_layer  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from events import live, log  # noqa: E402
from events.log import NewEvent  # noqa: E402
from events.models import Event, Stream  # noqa: E402
from workflow_platform.accounts.models import Workspace  # noqa: E402

PAYLOAD = {"level": "info", "message": "x" * 200, "node": "node", "run_index": 0}


def persisted(streams: list[Stream], number: int) -> float:
    """Append one event to each stream, in one transaction. Returns when it was committed."""
    committed = 0.0

    def note() -> None:
        nonlocal committed
        committed = time.monotonic()

    with transaction.atomic():
        transaction.on_commit(note)  # before the one that publishes
        log.append([NewEvent(stream.pk, "execution.log", PAYLOAD, "benchmark") for stream in streams])
    return committed


async def bare(streams: list[Stream], number: int) -> float:
    """Send the same envelopes through the channel layer. Returns when sending began."""
    began, layer = time.monotonic(), get_channel_layer()
    now = timezone.now()
    for stream in streams:
        event = Event(sequence=number, type="execution.log", source="benchmark", time=now, data=PAYLOAD)
        group = live.group_of(stream.name)
        envelope = event.envelope(stream.name)
        await layer.group_send(group, {"type": "stream.events", "group": group, "events": [envelope]})
    return began


def paced(write: Callable[[int], float], batches: int, rate: float) -> list[float]:
    times: list[float] = []
    first = time.monotonic()
    for number in range(1, batches + 1):
        if rate:
            time.sleep(max(0.0, first + number / rate - time.monotonic()))
        times.append(write(number))
    return times


def main(mode: str, count: int, batches: int, rate: float) -> None:
    workspace = Workspace.objects.order_by("created_at").first()
    assert workspace is not None
    streams = [log.open_stream(f"execution:{uuid4()}", workspace.pk) for _ in range(count)]
    print(json.dumps([stream.name for stream in streams]), flush=True)
    sys.stdin.readline()
    if mode == "persisted":
        times = paced(lambda number: persisted(streams, number), batches, rate)
    else:
        with asyncio.Runner() as runner:
            times = paced(lambda number: runner.run(bare(streams, number)), batches, rate)
    print(json.dumps(times), flush=True)
    sys.stdin.readline()  # the publisher's thread ends with the process: not before everything has arrived


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))

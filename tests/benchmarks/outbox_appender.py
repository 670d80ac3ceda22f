"""A process that appends, in turn without and with the outbox: `python -m tests.benchmarks.outbox_appender`.

It answers each line `ENDPOINTS TYPES EVENTS BATCHES` with `{"without": [seconds, …], "with": [seconds, …]}`.
"""

from __future__ import annotations

import json
import sys
import time
from uuid import UUID, uuid4

import django

django.setup()

from django.db import transaction  # noqa: E402

from events import bus, log  # noqa: E402
from events.log import NewEvent  # noqa: E402
from events.log.models import Stream  # noqa: E402
from tests.delivering import make_endpoint  # noqa: E402
from webhooks import outbox, wiring  # noqa: E402
from webhooks.models import Endpoint  # noqa: E402
from workflow_platform.core.accounts.models import Workspace  # noqa: E402

PAYLOAD = {"level": "info", "message": "x" * 200, "node": "node", "run_index": 0}
STREAMS = 8


class Appender:
    """Appends to the streams of a workspace."""

    def __init__(self) -> None:
        workspace = Workspace.objects.create(slug="bench", name="Bench")
        self._streams = log.open_streams([(f"execution:{uuid4()}", workspace.pk) for _ in range(STREAMS)])

    def measure(self, endpoints: int, types: str, events: int, batches: int) -> dict[str, list[float]]:
        """Return the seconds of each append, commit included."""
        Endpoint.objects.all().delete()
        for _ in range(endpoints):
            make_endpoint("bench", types)
        times: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(batches):
            for way, found in times.items():
                if way == "without":
                    bus.unsubscribe(outbox.deliver_events)
                else:
                    wiring.subscribe()
                new = [self._event(self._streams[n % STREAMS]) for n in range(events)]
                began = time.perf_counter()
                with transaction.atomic():
                    log.append(new)
                found.append(time.perf_counter() - began)
        return times

    def _event(self, stream: Stream) -> NewEvent:
        return NewEvent(stream.pk, "execution.log", PAYLOAD, "bench", UUID(stream.name.partition(":")[2]))


def main() -> None:
    """Answer lines."""
    appender = Appender()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        endpoints, types, events, batches = line.split()
        print(json.dumps(appender.measure(int(endpoints), types, int(events), int(batches))), flush=True)


if __name__ == "__main__":
    main()

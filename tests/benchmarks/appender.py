"""A process that appends batches of 200 events, in turn with a bare COPY of the same rows, and reads pages.

`python -m tests.benchmarks.appender` answers each line `append SHAPE BATCHES` with `{"ours": [seconds, …], "bare": …}`,
and each `read PAGES` with the seconds of each kind of page. The bare COPY has a connection of its own and a table with
the columns and indexes of a partition; its text is made before the clock starts.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import django

django.setup()

import psycopg  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from events import log  # noqa: E402
from events.catalogue.stream_names import FEED  # noqa: E402
from events.log import (  # noqa: E402
    NewEvent,
    partitions,
    reading,
    writer,
)
from events.log.models import Stream  # noqa: E402
from events.log.recorded import RecordedEvent  # noqa: E402
from tests.benchmarks.appender_shapes import BATCH, SHAPES  # noqa: E402
from workflow_platform.core.accounts.models import Workspace  # noqa: E402

PAYLOAD = {"level": "info", "message": "x" * 200, "node": "node", "run_index": 0}
LONG_STREAMS, LONG, SHORT_STREAMS, SHORT = 20, 1000, 200, 20
PAGE = 500


class Appender:
    """Appends, and copies the same rows."""

    def __init__(self) -> None:
        workspace = Workspace.objects.order_by("created_at").first()
        assert workspace is not None
        self._workspace = workspace.pk
        self._workflow = uuid4()
        log.open_stream(f"workflow:{self._workflow}", workspace.pk)
        self._streams = {name: self._open(count) for name, count in SHAPES.items()}
        self.long = self._filled(LONG_STREAMS, LONG)
        self.short = self._filled(SHORT_STREAMS, SHORT)
        self._bare = psycopg.connect(os.environ["DATABASE_URL"])
        self._make_bare_table()

    def _open(self, count: int) -> list[Stream]:
        return log.open_streams([(f"execution:{uuid4()}", self._workspace) for _ in range(count)])

    def _filled(self, count: int, events: int) -> list[Stream]:
        streams = self._open(count)
        for stream in streams:
            with transaction.atomic():
                log.append([self._event(stream, UUID(stream.name.partition(":")[2]), False)] * events)
        return streams

    def _make_bare_table(self) -> None:
        partition = partitions.partitions()[-1].name
        self._bare.execute("DROP TABLE IF EXISTS bare_event")
        self._bare.execute(f"CREATE TABLE bare_event (LIKE {partition} INCLUDING ALL)")  # type: ignore[arg-type]
        self._bare.commit()

    def _event(self, stream: Stream, execution: UUID, shown: bool) -> NewEvent:
        if shown:
            return NewEvent(stream.pk, "execution.paused", {"reason": "x" * 100}, "bench", execution, self._workflow)
        return NewEvent(stream.pk, "execution.log", PAYLOAD, "bench", execution, self._workflow)

    def batch(self, shape: str) -> list[NewEvent]:
        """Return the events of one batch."""
        streams = self._streams[shape]
        each, every = BATCH // len(streams), 5 if shape == "lifecycle" else BATCH + 1
        execution = uuid4()
        return [self._event(stream, execution, n % every == 0) for stream in streams for n in range(1, each + 1)]

    def append(self, shape: str, batches: int) -> dict[str, list[float]]:
        """Return the seconds of each append and of each bare COPY."""
        times: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(batches):
            new = self.batch(shape)
            began = time.perf_counter()
            with transaction.atomic():
                events = log.append(new)
            times["ours"].append(time.perf_counter() - began)
            times["bare"].append(self._copy(events))
        return times

    def _copy(self, events: list[RecordedEvent]) -> float:
        text = writer._rows(events)
        statement = writer._COPY.replace("events_event", "bare_event")
        began = time.perf_counter()
        with self._bare.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(text)
        self._bare.commit()
        return time.perf_counter() - began


class Reader:
    """Reads pages of streams, of the feed, and of the events' API."""

    def __init__(self, appender: Appender) -> None:
        self._long = [stream.name for stream in appender.long]
        self._short = [stream.name for stream in appender.short]
        if len(held := self._held()) == SHORT_STREAMS:
            self._short = held
        self._client = Client(headers={"authorization": f"Bearer {os.environ['BENCHMARK_TOKEN']}", "host": "localhost"})

    def _held(self) -> list[str]:
        """Return executions of all days, if there are more than those made here."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name FROM events_stream TABLESAMPLE SYSTEM (5) WHERE ended_at IS NOT NULL LIMIT %s",
                [SHORT_STREAMS],
            )
            return [name for (name,) in cursor.fetchall()]

    def read(self, pages: int) -> dict[str, list[float]]:
        """Return the seconds of each page, by kind."""
        kinds: dict[str, Callable[[], Any]] = {
            "page_of_500": lambda: self._page(random.choice(self._long), random.randrange(LONG - PAGE)),
            "execution_of_20": lambda: self._page(random.choice(self._short), 0),
            "feed": lambda: self._page(FEED, max(0, log.head(FEED) - PAGE)),
            "api_newest_100": lambda: self._api("?limit=100&order=newest"),
            "api_newest_100_of_a_type": lambda: self._api("?limit=100&order=newest&types=execution.paused"),
        }
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(pages):
            for kind, read in kinds.items():
                began = time.perf_counter()
                found = read()
                times[kind].append(time.perf_counter() - began)
                assert found
        return times

    def _page(self, name: str, after: int) -> list[RecordedEvent]:
        stream = reading.states([name])[name]
        workspaces = [str(pk) for pk in Workspace.objects.values_list("pk", flat=True)] if name == FEED else []
        return reading.page_after(stream, after, PAGE, None, workspaces)

    def _api(self, query: str) -> list[Any]:
        answer = self._client.get(f"/api/events/{query}")
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)["events"]  # type: ignore[no-any-return]


def main() -> None:
    """Answer lines."""
    appender = Appender()
    appender.append("lifecycle", 100)  # so that there is something to read
    reader = Reader(appender)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        match line.split():
            case ["append", shape, batches]:
                print(json.dumps(appender.append(shape, int(batches))), flush=True)
            case ["read", pages]:
                print(json.dumps(reader.read(int(pages))), flush=True)


if __name__ == "__main__":
    main()

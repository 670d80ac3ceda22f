"""A stream leaves as JSON lines and comes back as it was, or not at all."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from events.history import history
from events.history.history import EventFilter
from events.log import partitions, reading
from events.log.models import Event, Stream
from tests.engine import COMMITS
from tests.integration.test_history import messages, open_stream, say, workspace
from tests.integration.test_history_api import client
from tests.recording import read_stream

DAY = datetime(2025, 3, 9, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def only_days_of_now(_django_db_marker: None) -> Iterator[None]:
    """Take away the partitions that an import of old events made."""
    yield
    for partition in partitions.partitions():
        if partition.day < DAY.date() + timedelta(days=30):
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE {partition.name}")


def export(*words: str) -> list[dict[str, Any]]:
    said = StringIO()
    call_command("export_events", *words, stdout=said)
    return [json.loads(line) for line in said.getvalue().splitlines()]


def envelopes(name: str) -> list[dict[str, Any]]:
    return read_stream(name)


def forget(stream: Stream) -> None:
    """Have the installation be another one, which has never seen the stream."""
    Event.objects.filter(stream=stream).delete()
    stream.delete()


def old_stream(count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the lines of a stream of long ago, over two days."""
    name = f"execution:{uuid4()}"
    start = DAY.replace(hour=23, minute=59)
    header = {"format": "workflow-platform.events/1", "stream": name, "created_at": start.isoformat(), "count": count}
    lines = []
    for number in range(1, count + 1):
        then = start + timedelta(seconds=30 * number)
        id_ = UUID(int=partitions.first_id(then).int | 0x7 << 76 | 0x8 << 60 | uuid4().int & (1 << 60) - 1)
        data = {"level": "info", "message": f"{number} \\ \t é", "node": None, "run_index": None}
        lines.append(
            {"id": str(id_), "type": "execution.log", "source": "tests", "stream": name, "sequence": number,
             "time": then.isoformat(timespec="microseconds").replace("+00:00", "Z"), "execution_id": name[10:],
             "workflow_id": None, "data": data}
        )  # fmt: skip
    return header, lines


def written(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@COMMITS
def test_a_stream_that_was_exported_comes_back_with_ids_times_and_sequences(tmp_path: Path) -> None:
    stream = open_stream("tests")
    say(stream, 'back\\slash "quoted"\n\ttab é', "2", source="tests.one", execution_id=uuid4(), workflow_id=uuid4())
    say(stream, "end", type_="execution.resumed")
    before, owner = envelopes(stream.name), "tests"
    for file in (tmp_path / "plain.jsonl", tmp_path / "packed.jsonl.gz"):
        call_command("export_events", stream.name, output=file)
        opener: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rt") as lines:
            header = json.loads(next(lines))
        assert (header["stream"], header["workspace"], header["count"], header["first"]) == (stream.name, owner, 3, 1)
        created_at = Stream.objects.get(name=stream.name).created_at
        forget(Stream.objects.get(name=stream.name))
        said = StringIO()
        call_command("import_events", file, workspace=workspace("others").slug, stdout=said)
        assert "3 events" in said.getvalue()
        assert envelopes(stream.name) == before
        owner = "others"
        back = Stream.objects.get(name=stream.name)
        assert (back.created_at, back.last_sequence, back.workspace) == (created_at, 3, workspace("others"))
        assert (back.ended_as, back.ended_at is not None) == ("", True)
    assert messages(history.read(EventFilter(workspaces=[workspace("others").pk], texts=["slash"])).events)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


@COMMITS
def test_old_events_are_kept_with_their_day_and_are_no_news(tmp_path: Path) -> None:
    say(open_stream("tests"), "new")
    ours = EventFilter(workspaces=[workspace("tests").pk])
    now = history.head(ours)
    header, lines = old_stream(5)
    call_command("import_events", written(tmp_path / "old", [header, *lines]), workspace="tests", stdout=StringIO())
    assert envelopes(header["stream"]) == lines
    days = {partition.day for partition in partitions.partitions()}
    assert {DAY.date(), DAY.date() + timedelta(days=1)} <= days
    assert history.read(ours, now).events == []
    found = history.read(EventFilter(workspaces=ours.workspaces, since=DAY, until=DAY + timedelta(days=2)))
    assert [event.id for event in found.events] == [line["id"] for line in lines]
    call = {"workspace": "tests", "name": "kept:copy", "stdout": StringIO()}
    with pytest.raises(CommandError, match=f"event {lines[0]['id']} exists already"):
        call_command("import_events", tmp_path / "old", **call)
    with pytest.raises(CommandError, match=f"stream {header['stream']} exists already"):
        call_command("import_events", tmp_path / "old", workspace="tests")
    forget(Stream.objects.get(name=header["stream"]))
    call_command("import_events", tmp_path / "old", **call)
    assert [event["sequence"] for event in envelopes("kept:copy")] == [1, 2, 3, 4, 5]


@COMMITS
def test_a_stream_whose_beginning_was_removed_comes_back_from_the_first_that_was_kept(tmp_path: Path) -> None:
    stream = open_stream("tests")
    say(stream, *"abcde")
    Event.objects.filter(stream=stream, sequence__lt=3).delete()
    Stream.objects.filter(pk=stream.pk).update(removed_through=2)
    header, *events = export(stream.name)
    assert (header["first"], header["count"], [event["sequence"] for event in events]) == (3, 3, [3, 4, 5])
    forget(stream)
    call_command("import_events", written(tmp_path / "f", [header, *events]), workspace="tests", stdout=StringIO())
    state = reading.states([stream.name])[stream.name]
    assert (state.removed_through, state.head) == (2, 5)


SUMMARY = {
    "duration_ms": 1,
    "nodes_executed": 1,
    "nodes_failed": 0,
    "nodes_skipped": 0,
    "slowest": None,
    "fastest": None,
}
END = {"type": "execution.cancelled", "data": {"reason": "a", "by": None, "summary": SUMMARY}}
LONG = {"level": "info", "message": "x" * (4 * 1024 * 1024)}


@COMMITS
@pytest.mark.parametrize(
    ("number", "changes", "why"),
    [
        (3, {"sequence": 4}, "sequence is 4; 3 follows"),
        (2, {"type": "execution.logged"}, "not in the catalogue"),
        (2, {"data": {"level": "info"}}, "data.message: This field is required"),
        (4, {"data": {"level": "info", "message": "a", "extra": 1}}, "data.extra"),
        (1, END, "follows execution.cancelled"),
        (3, {"stream": "execution:other"}, "stream is 'execution:other'"),
        (1, {"id": str(uuid4())}, "id: not a UUIDv7"),
        (1, {"id": "ffffffff-ffff-7fff-8fff-ffffffffffff"}, "is in the future"),
        (1, {"id": "01800000-0000-7000-8000-000000000000"}, "before the stream's created_at"),
        (2, {"source": "a\tb"}, "source"),
        (2, {"time": "2025-03-09T23:59:59"}, "time"),
        (2, {"unknown": 1}, "unknown"),
        (2, {"execution_id": "7"}, "execution_id"),
        (2, {"data": {"level": "info", "message": "nul \u0000"}}, "NUL"),
        (2, {"data": LONG}, "longer than"),
        (0, {"count": 6}, "the file ends here"),
        (0, {"count": 4}, "more lines than the 4"),
        (0, {"count": None}, "one whole stream"),
        (0, {"format": "other"}, "format is 'other'"),
        (0, {"first": 2}, "sequence is 1; 2 follows"),
        (0, {"created_at": "yesterday"}, "created_at"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_is_imported(
    tmp_path: Path, number: int, changes: dict[str, Any], why: str
) -> None:
    header, events = old_stream(5)
    lines = [header, *events]
    lines[number] = lines[number] | changes
    blamed = {
        "follows execution.cancelled": 3,
        "the file ends here": 7,
        "more lines than the 4": 6,
        "sequence is 1; 2 follows": 2,
    }.get(why, number + 1)
    said = rf"Nothing was imported. line {blamed}: .*{why}"
    with pytest.raises(CommandError, match=said):
        call_command("import_events", written(tmp_path / "file", lines), workspace=workspace("tests").slug)
    assert not Stream.objects.filter(name=header["stream"]).exists()
    assert not Event.objects.filter(id__in=[event["id"] for event in events if UUID(event["id"]).version == 7]).exists()


@COMMITS
def test_what_cannot_be_exported_or_imported_is_said(tmp_path: Path) -> None:
    workspace("tests")
    header, events = old_stream(1)
    for words, why in (
        (("executions",), "Export them by filter"),
        (("execution:none",), "does not exist"),
        ((), "Give either the name of a stream or filters"),
        (("system", "--type", "system.*"), "not both"),
        (("--type", "nothing.*"), "nothing"),
        (("--source", "A"), "'A'"),
        (("--workspace", "nowhere"), "nowhere"),
    ):
        with pytest.raises(CommandError, match=why):
            export(*words)
    file = written(tmp_path / "file", [header, *events])
    for name in ("executions", "system", f"workflow:{uuid4()}", "replay:1", "a b", "x" * 81):
        with pytest.raises(CommandError, match="stream"):
            call_command("import_events", file, workspace="tests", name=name)
    for content, why in (
        (b"", "empty"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
        (b"[]\n", "line 1"),
        (b"{\n", "JSON"),
    ):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(CommandError, match=why):
            call_command("import_events", tmp_path / "bad", workspace="tests")


@COMMITS
def test_a_filter_exports_events_of_many_streams_which_is_no_stream_to_import(tmp_path: Path) -> None:
    for slug in ("tests", "others"):
        say(open_stream(slug), "1", "2")
    header, *events = export("--type", "execution.*", "--workspace", "tests", "--text", "2")
    assert (header["stream"], header["filter"]["text"], len(events)) == (None, "2", 1)
    with pytest.raises(CommandError, match="one whole stream"):
        call_command("import_events", written(tmp_path / "file", [header, *events]), workspace="tests")


@COMMITS
def test_the_api_exports_a_stream_to_those_who_may_see_it() -> None:
    stream = open_stream("tests")
    say(stream, *map(str, range(5)))
    path = f"/api/events/export/?stream={stream.name}"
    answer: Any = client("tests").get(path)
    assert f'filename="{stream.name.replace(":", "-")}.jsonl"' in answer["Content-Disposition"]

    async def read() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    header, *events = [json.loads(line) for line in asyncio.run(read()).splitlines()]
    assert header == export(stream.name)[0]
    assert events == envelopes(stream.name)
    assert client("others").get(path).status_code == 404
    assert client("tests").get("/api/events/export/?stream=system").status_code == 404
    assert client(is_staff=True).get("/api/events/export/?stream=system").status_code == 200
    assert client("tests").get("/api/events/export/?stream=executions").json()["errors"][0]["field"] == "stream"

"""Imports a stream from the JSON lines of an export: checks every line, then writes all events in one transaction."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeVar
from uuid import UUID

import orjson
import pydantic
from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg.errors import UniqueViolation
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from events import log
from events.catalogue.event_types import TERMINAL, UnknownEventType, payload_text
from events.catalogue.stream_names import FEED, SYSTEM, WORKFLOW
from events.log import partitions
from events.log.models import Stream
from events.log.reading import CLOCK_SLACK
from events.log.recorded import LIVE, RecordedEvent, time_text
from events.transfer.exporting import FORMAT
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.validation import first_error

LONGEST_LINE = 4 * 1024 * 1024
MOST_EVENTS = 10_000_000
MOST_DAYS = 400
BATCH = 1000
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_STREAM = re.compile(r"[a-z][a-z0-9_.-]*(:[A-Za-z0-9_.-]+)?")


M = TypeVar("M", bound=BaseModel)


class CannotImport(Exception):
    """The file was not imported. The message has the reason, and the number of the invalid line if there is one."""


Text = Annotated[str, StringConstraints(max_length=80)]
Mode = Literal["live", "test", "debug"]


class ExportHeader(BaseModel):
    """The first line."""

    model_config = ConfigDict(extra="ignore")

    format: str
    stream: Text | None
    created_at: AwareDatetime | None = None
    first: int = Field(1, ge=1, lt=2**62)
    count: int | None = Field(None, ge=0, le=MOST_EVENTS)
    mode: Mode = LIVE


class ExportLine(BaseModel):
    """An envelope."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    type: str
    source: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.:-]{0,59}$")]
    stream: Text
    sequence: int
    time: AwareDatetime
    execution_id: UUID | None
    workflow_id: UUID | None
    mode: Mode = LIVE
    data: dict[str, Any]


class StreamFile:
    """An export on disk. It is read twice, line by line: to check it, and to write it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.days: set[date] = set()
        self.ended_as = ""
        with self._open() as file:
            self.header = self._header(file)

    def check(self) -> None:
        """Read the whole file. Raises CannotImport for the first invalid line."""
        for _ in self.events(0, None):
            pass

    def events(self, stream_id: int, workspace_id: str | None, name: str = "") -> Iterator[RecordedEvent]:
        """Yield the events as they will be recorded. Raises CannotImport."""
        header, number, self.ended_as = self.header, 0, ""
        with self._open() as file:
            self._line(file, 1)
            for number in range(1, (header.count or 0) + 1):
                line, payload = self._event(self._line(file, number + 1), number + 1)
                expected = header.first + number - 1
                if line.sequence != expected:
                    raise _at(number + 1, f"sequence is {line.sequence}; {expected} follows")
                if self.ended_as:
                    raise _at(number + 1, f"follows {self.ended_as}, which ended the stream")
                self.ended_as = line.type if line.type in TERMINAL else ""
                yield RecordedEvent(
                    str(line.id),
                    line.type,
                    line.source,
                    time_text(line.time),
                    str(line.execution_id) if line.execution_id else None,
                    str(line.workflow_id) if line.workflow_id else None,
                    name,
                    stream_id,
                    workspace_id,
                    line.sequence,
                    None,  # the feed sequence of another installation has no meaning here
                    None,
                    0,  # before all new events: decision 13
                    payload,
                    header.mode,
                )
            if file.readline(LONGEST_LINE):
                raise _at(number + 2, f"there are more lines than the {header.count} events that line 1 announces")

    def _open(self) -> IO[bytes]:
        with self.path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        return gzip.open(self.path) if compressed else self.path.open("rb")  # type: ignore[return-value]

    def _header(self, file: IO[bytes]) -> ExportHeader:
        header = _parsed(ExportHeader, self._line(file, 1), 1)
        if header.format != FORMAT:
            raise _at(1, f"format is {header.format!r}, not {FORMAT!r}")
        if header.stream is None or header.count is None or header.created_at is None:
            raise _at(1, "the file is not the export of one whole stream; only that can be imported")
        return header

    def _line(self, file: IO[bytes], number: int) -> Any:
        try:
            text = file.readline(LONGEST_LINE + 1)
        except (OSError, EOFError) as error:
            raise _at(number, f"the file cannot be read: {error}") from None
        if not text:
            raise _at(
                number, f"the file ends here; line 1 announces {self.header.count} events" if number > 1 else "empty"
            )
        if len(text) > LONGEST_LINE:
            raise _at(number, f"longer than {LONGEST_LINE} bytes")
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _at(number, f"not JSON: {error}") from None

    def _event(self, value: Any, number: int) -> tuple[ExportLine, str]:
        """Return the parsed line, and the JSON text of its data."""
        line = _parsed(ExportLine, value, number)
        if line.stream != self.header.stream:
            raise _at(number, f"stream is {line.stream!r}, not {self.header.stream!r}")
        made_at = self._made_at(line.id, number)
        self.days.add(made_at.date())
        if len(self.days) > MOST_DAYS:
            raise _at(number, f"the events span more than {MOST_DAYS} days")
        try:
            payload = payload_text(line.type, line.data)
        except UnknownEventType:
            raise _at(number, f"type is {line.type!r}, which is not in the catalogue") from None
        except pydantic.ValidationError as error:
            raise _at(number, first_error(error, "data").removesuffix(".")) from None
        if _NUL.search(payload):
            raise _at(number, "data: a NUL character cannot be stored")
        return line, payload

    def _made_at(self, id_: UUID, number: int) -> datetime:
        """Return the time in an id, which determines the partition of the event."""
        if id_.version != 7:
            raise _at(number, "id: not a UUIDv7")
        created_at = self.header.created_at
        assert created_at is not None
        try:
            made_at = datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
        except (ValueError, OverflowError):
            made_at = datetime.max.replace(tzinfo=UTC)
        if made_at > datetime.now(UTC) + timedelta(days=1):
            raise _at(number, "id: its time is in the future")
        if made_at < created_at - CLOCK_SLACK:
            raise _at(number, "id: its time is before the stream's created_at")
        return made_at


def import_stream(path: Path, workspace: Workspace, name: str | None = None) -> Stream:
    """Create the stream of a file in a workspace, under its name or another one, and end it. Returns the stream.

    Raises CannotImport; then nothing is written.
    """
    file = StreamFile(path)
    name = name or file.header.stream or ""
    _check_name(name)
    file.check()
    # Outside the transaction: an empty partition does no harm if the import fails.
    partitions.make(sorted(file.days))
    try:
        with transaction.atomic():
            stream = log.open_stream(name, workspace.pk, file.header.mode)
            log.restore(stream, _batches(file.events(stream.pk, str(workspace.pk), name)))
            # No more events follow. Retention counts from the end, which is now: otherwise it would remove old events
            # at once.
            end = {"ended_at": timezone.now(), "ended_as": file.ended_as}
            Stream.objects.filter(pk=stream.pk).update(created_at=file.header.created_at, **end)
    except (IntegrityError, UniqueViolation) as error:  # from the stream's row, from COPY
        raise CannotImport(_already_there(error, name)) from None
    stream.refresh_from_db()
    return stream


def _check_name(name: str) -> None:
    if not _STREAM.fullmatch(name) or len(name) > 80:
        raise CannotImport(f"{name!r} cannot be the name of a stream.")
    if name in (FEED, SYSTEM) or name.startswith((WORKFLOW, "replay:")):
        raise CannotImport(f"{name} is reserved. Import the stream under another name.")
    if Stream.objects.filter(name=name).exists():
        raise CannotImport(f"The stream {name} exists already. Import it under another name.")


def _batches(events: Iterator[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    batch: list[RecordedEvent] = []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _parsed(model: type[M], value: Any, number: int) -> M:
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise _at(number, first_error(error).removesuffix(".")) from None


def _already_there(error: Exception, name: str) -> str:
    if match := re.search(r"\(id\)=\(([0-9a-f-]{36})\)", str(error)):
        return f"The event {match[1]} exists already: this history is here, under another name."
    return f"The stream {name} exists already. Import it under another name."


def _at(number: int, why: str) -> CannotImport:
    return CannotImport(f"line {number}: {why}.")

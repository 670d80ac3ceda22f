"""`manage.py export_events`: a stream, or the events that match a filter, as JSON lines."""

from __future__ import annotations

import gzip
import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from events.catalogue.event_types import UnknownEventType
from events.history.event_filter import BadPattern, EventFilter
from events.log import reading
from events.transfer import exporting
from events.transfer.exporting import CannotExport, StreamExport
from workflow_platform.core.accounts.command_options import workspace_of
from workflow_platform.core.command_arguments import moment

FILTERS = ("type", "source", "workflow", "execution", "since", "until", "text", "workspace")


class Command(BaseCommand):
    help = "Write a stream as JSON lines for import_events, or write the events of all streams that match a filter."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("stream", nargs="?", metavar="STREAM", help="execution:<id>, workflow:<id>, system")
        parser.add_argument(
            "--type", action="append", default=[], help="event type or pattern (execution.*); repeat for several"
        )
        parser.add_argument(
            "--source", action="append", default=[], help="source or pattern (executions.*); repeat for several"
        )
        parser.add_argument("--workflow", type=UUID, metavar="ID")
        parser.add_argument("--execution", type=UUID, metavar="ID")
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="events from this time on: ISO 8601, or an age (24h)"
        )
        parser.add_argument("--until", type=moment, metavar="TIME", help="events before this time")
        parser.add_argument("--text", help="events whose data contains this text")
        parser.add_argument("--workspace", metavar="SLUG", help="only events of this workspace")
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="write to this file; compressed if the name ends in .gz"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = self._lines(options)
            with self._output(options["output"]) as write:
                for piece in lines:
                    write(piece)
        except (CannotExport, UnknownEventType, BadPattern) as error:
            raise CommandError(str(error)) from None

    def _lines(self, options: dict[str, Any]) -> Iterator[bytes]:
        filters = {name: options[name] for name in FILTERS if options[name]}
        if bool(options["stream"]) == bool(filters):
            raise CommandError("Give either the name of a stream or filters, not both.")
        if not options["stream"]:
            event_filter = _filter(options)
            event_filter.query()  # raises for an invalid filter before the file is created
            return exporting.lines_of(event_filter, {name: _json(value) for name, value in filters.items()})
        stream = reading.states([options["stream"]]).get(options["stream"])
        if stream is None:
            raise CommandError(f"The stream {options['stream']!r} does not exist.")
        return StreamExport(stream).lines()

    @contextmanager
    def _output(self, path: Path | None) -> Iterator[Callable[[bytes], Any]]:
        """Yield a function that writes to standard output, or to a file, which gets its name when it is complete."""
        if path is None:
            yield lambda piece: self.stdout.write(piece.decode(), ending="")
            return
        unfinished = path.with_name(f"{path.name}.part")
        try:
            if path.suffix == ".gz":
                with gzip.open(unfinished, "wb") as compressed:
                    yield compressed.write
            else:
                with unfinished.open("wb") as file:
                    yield file.write
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


def _filter(options: dict[str, Any]) -> EventFilter:
    workspaces = [workspace_of(slug).pk] if (slug := options["workspace"]) else None
    return EventFilter(
        types=options["type"],
        sources=options["source"],
        workflow=options["workflow"],
        execution=options["execution"],
        since=options["since"],
        until=options["until"],
        texts=[options["text"]] if options["text"] else [],
        workspaces=workspaces,
        installation=workspaces is None,
    )


def _json(value: Any) -> Any:
    return value if isinstance(value, str | list) else str(value)

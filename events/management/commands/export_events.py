"""`manage.py export_events`: a stream, or the events that fit a filter, as JSON lines."""

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
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.command_arguments import moment

FILTERS = ("type", "source", "workflow", "execution", "since", "until", "text", "workspace")


class Command(BaseCommand):
    help = "Write a stream as JSON lines that import_events takes, or the events of any streams that fit a filter."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("stream", nargs="?", metavar="STREAM", help="execution:<id>, workflow:<id>, system")
        parser.add_argument("--type", action="append", default=[], help="pattern: execution.*; may be repeated")
        parser.add_argument("--source", action="append", default=[], help="pattern: executions.*; may be repeated")
        parser.add_argument("--workflow", type=UUID)
        parser.add_argument("--execution", type=UUID)
        parser.add_argument("--since", type=moment, help="ISO 8601, or so long ago (24h)")
        parser.add_argument("--until", type=moment)
        parser.add_argument("--text", help="somewhere in the data")
        parser.add_argument("--workspace", metavar="SLUG", help="only its events")
        parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="compressed if it ends in .gz")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = self._lines(options)
            with self._output(options["output"]) as write:
                for piece in lines:
                    write(piece)
        except (CannotExport, UnknownEventType, BadPattern) as error:
            raise CommandError(str(error)) from None

    def _lines(self, options: dict[str, Any]) -> Iterator[bytes]:
        given = {name: options[name] for name in FILTERS if options[name]}
        if bool(options["stream"]) == bool(given):
            raise CommandError("Name a stream, or say by filters which events; not both.")
        if not options["stream"]:
            wanted = _filter(options)
            wanted.question()  # refuses what makes no sense before there is a file
            return exporting.lines_of(wanted, {name: _said(value) for name, value in given.items()})
        stream = reading.states([options["stream"]]).get(options["stream"])
        if stream is None:
            raise CommandError(f"There is no stream {options['stream']!r}.")
        return StreamExport(stream).lines()

    @contextmanager
    def _output(self, path: Path | None) -> Iterator[Callable[[bytes], Any]]:
        """Yield what writes to a file, which gets its name when it is whole; to the standard output without one."""
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
    workspaces = None
    if slug := options["workspace"]:
        workspaces = list(Workspace.objects.filter(slug=slug).values_list("pk", flat=True))
        if not workspaces:
            raise CommandError(f"--workspace: there is none with the slug {slug!r}.")
    return EventFilter(
        types=options["type"],
        sources=options["source"],
        workflow=options["workflow"],
        execution=options["execution"],
        since=options["since"],
        until=options["until"],
        text=options["text"] or "",
        workspaces=workspaces,
        installation=workspaces is None,
    )


def _said(value: Any) -> Any:
    return value if isinstance(value, str | list) else str(value)

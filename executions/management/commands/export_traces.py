"""`manage.py export_traces`: traces of executions from history, to the collector or into a file."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from executions.otlp.exporting import deliver_spans
from executions.otlp.history import earlier_spans
from executions.otlp.spans import requests_of
from workflow_platform.core.command_arguments import moment
from workflow_platform.core.telemetry import exporting


class Command(BaseCommand):
    help = "Export the traces of earlier executions. Their spans have the same ids however often they are exported."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="what happened from this time on: ISO 8601, or an age (24h)"
        )
        parser.add_argument("--until", type=moment, metavar="TIME", help="what happened before this time")
        parser.add_argument("--workflow", type=UUID, metavar="ID")
        parser.add_argument("--execution", type=UUID, metavar="ID")
        parser.add_argument(
            "--file", type=Path, metavar="FILE", help="write OTLP JSON lines to this file instead of sending them"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["file"] and not options["dry_run"] and not exporting.is_on():
            raise CommandError("OTEL_EXPORTER_OTLP_ENDPOINT is not set. Set it, or write to a --file.")
        which = {name: options[name] for name in ("since", "until", "workflow", "execution")}
        spans, traces = 0, set[str]()
        with _opened(options["file"] if not options["dry_run"] else None) as file:
            for page in earlier_spans(**which):
                spans += len(page)
                traces |= {span.trace_id for span in page}
                if file is not None:
                    file.writelines(f"{request}\n" for request in requests_of(page, exporting.resource()))
                elif not options["dry_run"]:
                    deliver_spans(page)
        done = "found" if options["dry_run"] else "written" if options["file"] else "queued for the collector"
        self.stdout.write(f"{spans} spans of {len(traces)} traces {done}.")


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        with path.open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise CommandError(f"--file: {error}") from None

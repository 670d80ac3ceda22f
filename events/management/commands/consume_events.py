"""`manage.py consume_events`: runs a durable subscription; an example for writing a consumer."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events import bus
from events.bus import positions
from events.bus.models import EventSubscription
from events.catalogue.event_types import UnknownEventType
from events.history.event_filter import BadPattern
from workflow_platform.core.accounts.command_options import workspace_of

EXPLANATION = """
Writes events in order: as JSON lines to standard output, or with --exec to the standard
input of a command that runs once for each batch.

The database stores NAME with its position. Stop the command, kill it, or start it on
another machine: it continues after the last finished batch. Each event arrives at least
once and in order (by `sequence` within a stream; across streams in the order of their
transactions). Make the processing idempotent: a repeated event has the same `id`. If the
--exec command exits with a status other than 0, its events are sent again, with growing
delays, and no later event is sent before them.

One process at a time consumes a NAME. A second process waits. It takes over within
LEASE_SECONDS if the first one is killed, and at once if the first one is stopped.

  manage.py consume_events audit --from-start >> audit.jsonl
  manage.py consume_events alerts --types 'execution.failed' 'system.*' --exec './alert.py'
  manage.py consume_events nightly --once          process what exists, then exit

In Python, call `bus.consume(name, handler)`. What the handler writes to this database is
committed together with the position, so each event takes effect there exactly once.
"""


class Command(BaseCommand):
    help = "Consume events under a name: at least once, in order, from the position that the name has reached."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs |= {"epilog": EXPLANATION, "formatter_class": RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", metavar="NAME", help="name of the subscription, up to 100 characters; created if new"
        )
        parser.add_argument("--types", nargs="+", metavar="PATTERN", help="stored with the name; '*' resets to all")
        parser.add_argument("--sources", nargs="+", metavar="PATTERN", help="stored with the name; '*' resets to all")
        parser.add_argument(
            "--workspace", metavar="SLUG", help="only events of this workspace; set when the name is created"
        )
        begin = parser.add_mutually_exclusive_group()
        begin.add_argument("--from-start", action="store_true", help="start a new name at the oldest stored event")
        begin.add_argument("--from-now", action="store_true", help="start a new name at the next event (default)")
        parser.add_argument("--reset", action="store_true", help="move an existing name to that position")
        parser.add_argument(
            "--batch", type=int, default=100, metavar="N", help="events per batch, up to 1000 (default: 100)"
        )
        parser.add_argument("--once", action="store_true", help="exit when no events are left")
        parser.add_argument(
            "--exec", metavar="COMMAND", dest="command", help="runs for each batch, with the events on standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name, stop = options["name"], threading.Event()
        if not 0 < len(name) <= 100:
            raise CommandError(f"NAME must have 1 to 100 characters; it has {len(name)}.")
        if not 0 < options["batch"] <= 1000:
            raise CommandError("--batch: a number from 1 to 1000.")
        workspace = None if options["workspace"] is None else workspace_of(options["workspace"])
        existing = EventSubscription.objects.filter(name=name).first()
        if existing is not None and workspace is not None and existing.workspace_id != workspace.pk:
            raise CommandError(f"--workspace: the subscription {name!r} belongs to another workspace.")
        if existing is not None and options["reset"]:
            positions.move(existing, "start" if options["from_start"] else "now")
        for number in (signal.SIGINT, signal.SIGTERM):
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, lambda *_: stop.set())
        try:
            bus.consume(
                name,
                _run_command(options["command"]) if options["command"] else _print_events,
                options["types"],
                sources=options["sources"],
                workspace=workspace,
                batch=options["batch"],
                begin="start" if options["from_start"] else "now",
                once=options["once"],
                stop=stop,
            )
        except UnknownEventType as error:
            raise CommandError(f"--types: {error}") from None
        except BadPattern as error:
            raise CommandError(f"--sources: {error}") from None
        except EventSubscription.DoesNotExist:
            raise CommandError(f"The subscription {name!r} has been deleted.") from None
        except bus.HandlerFailed as error:
            raise CommandError(f"The handler failed for event {error}: {error.__cause__}") from None


def _lines(events: Sequence[bus.RecordedEvent]) -> str:
    return "".join(f"{event.json(event.stream)}\n" for event in events)


def _print_events(events: Sequence[bus.RecordedEvent]) -> None:
    try:
        sys.stdout.write(_lines(events))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe: this batch is not finished, and is sent again next time.
        sys.stdout = None  # otherwise Python reports an error when it closes stdout
        raise SystemExit(1) from None


def _run_command(command: str) -> Any:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CommandError(f"--exec: {error}.") from None

    def run(events: Sequence[bus.RecordedEvent]) -> None:
        # In another session: Ctrl-C reaches this process only, and the current batch is finished.
        subprocess.run(words, input=_lines(events), text=True, check=True, start_new_session=True)  # noqa: S603

    return run

"""`manage.py consume_events`: a durable subscription at work; the example to begin a consumer of one's own from."""

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
from workflow_platform.core.accounts.models import Workspace

EXPLANATION = """
Hands events, in order, to you: as JSON lines on the standard output, or with --exec
on the standard input of a command that is run once for each batch.

NAME is kept in the database together with the place where it stands. Stop the command,
kill it, start it elsewhere: it goes on after the last batch that was done, so you get
each event at least once and in order (in each stream by `sequence`; streams among each
other in the order of their transactions). Whatever you do with an event must bear to be
done again: its `id` stays the same. If --exec ends with anything but 0, its events come
again, first at once, then ever later, and nothing that follows them comes before.

One process at a time consumes a name. A second one waits, and takes over within
LEASE_SECONDS when the first is killed, at once when it is stopped.

  manage.py consume_events audit --from-start >> audit.jsonl
  manage.py consume_events alerts --types 'execution.failed' 'system.*' --exec './alert.py'
  manage.py consume_events nightly --once          what there is now, then end

In Python it is `bus.consume(name, handler)`; what the handler writes to the database is
committed together with the place, so that each event takes effect there exactly once.
"""


class Command(BaseCommand):
    help = "Consume events durably under a name: at least once, in order, from where it last stood."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs |= {"epilog": EXPLANATION, "formatter_class": RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="up to 100 characters; made when it is new")
        parser.add_argument("--types", nargs="+", metavar="PATTERN", help="kept with the name; '*' for all again")
        parser.add_argument("--sources", nargs="+", metavar="PATTERN", help="kept with the name; '*' for all again")
        parser.add_argument("--workspace", metavar="SLUG", help="only its events; said when the name is new")
        begin = parser.add_mutually_exclusive_group()
        begin.add_argument("--from-start", action="store_true", help="a new name begins with the oldest event kept")
        begin.add_argument("--from-now", action="store_true", help="a new name begins with the next event (usual)")
        parser.add_argument("--reset", action="store_true", help="begin there again, though the name exists")
        parser.add_argument("--batch", type=int, default=100, metavar="N", help="events at a time (100; up to 1000)")
        parser.add_argument("--once", action="store_true", help="end when nothing is left")
        parser.add_argument("--exec", metavar="COMMAND", dest="command", help="gets each batch on its standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        name, stop = options["name"], threading.Event()
        if not 0 < len(name) <= 100:
            raise CommandError("NAME: up to 100 characters.")
        if not 0 < options["batch"] <= 1000:
            raise CommandError("--batch: a number from 1 to 1000.")
        workspace = _workspace(options["workspace"])
        existing = EventSubscription.objects.filter(name=name).first()
        if existing is not None and workspace is not None and existing.workspace_id != workspace.pk:
            raise CommandError(f"--workspace: {name!r} exists, for another one.")
        if existing is not None and options["reset"]:
            positions.move(existing, "start" if options["from_start"] else "now")
        for number in (signal.SIGINT, signal.SIGTERM):
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, lambda *_: stop.set())
        try:
            bus.consume(
                name,
                _runs(options["command"]) if options["command"] else _prints,
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
            raise CommandError(f"{name!r} has been deleted.") from None
        except bus.HandlerFailed as error:
            raise CommandError(f"event {error}: {error.__cause__}") from None


def _workspace(slug: str | None) -> Workspace | None:
    if slug is None:
        return None
    found = Workspace.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"--workspace: there is no workspace {slug!r}.")
    return found


def _lines(events: Sequence[bus.RecordedEvent]) -> str:
    return "".join(f"{event.json(event.stream)}\n" for event in events)


def _prints(events: Sequence[bus.RecordedEvent]) -> None:
    try:
        sys.stdout.write(_lines(events))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has gone: this batch is not done, and comes again next time.
        sys.stdout = None  # else Python complains when it closes it
        raise SystemExit(1) from None


def _runs(command: str) -> Any:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CommandError(f"--exec: {error}.") from None

    def run(events: Sequence[bus.RecordedEvent]) -> None:
        # In a session of its own, so that Ctrl-C is for us and the batch at hand is done.
        subprocess.run(words, input=_lines(events), text=True, check=True, start_new_session=True)  # noqa: S603

    return run

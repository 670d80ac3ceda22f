"""`manage.py replay_events`: show recorded events again here, on a stream, or to an endpoint. Nothing runs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from events.catalogue.event_types import UnknownEventType
from events.history.event_filter import BadPattern, EventFilter
from events.replay import control
from events.replay.control import FASTEST, SLOWEST
from events.replay.creation import CannotReplay, Pace, Wanted, create
from events.replay.models import Mode, Replay, State
from events.replay.sending import Endpoint, key_of
from events.replay.watching import due
from workflow_platform.core import outbound
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.command_arguments import moment
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused

STDOUT, STREAM = "stdout", "stream"
LOOK_SECONDS = 0.5
_SHOWN = ("types", "sources", "workflow", "execution", "streams", "since", "until", "text", "workspace")


class Command(BaseCommand):
    help = "Replay recorded events at their original pace, a multiple of it, with a fixed delay, or at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--execution", type=UUID)
        parser.add_argument("--workflow", type=UUID)
        parser.add_argument("--types", nargs="+", default=[], metavar="TYPE", help="patterns: execution.node_*")
        parser.add_argument("--sources", nargs="+", default=[], metavar="SOURCE", help="patterns: executions.*")
        parser.add_argument("--streams", nargs="+", default=[], metavar="STREAM", help="executions, workflow:<id>, …")
        parser.add_argument("--since", type=moment, help="of the event's time: ISO 8601, or so long ago (24h)")
        parser.add_argument("--until", type=moment)
        parser.add_argument("--text", default="", help="somewhere in the data")
        parser.add_argument("--workspace", metavar="SLUG", help="only its events")
        pace = parser.add_mutually_exclusive_group()
        pace.add_argument("--speed", type=float, metavar="N", help="the original pace, times this (default: 1)")
        pace.add_argument("--delay", type=int, metavar="MS", help="the same delay between all events")
        pace.add_argument("--at-once", action="store_true")
        parser.add_argument("--to", default=STDOUT, metavar="stdout|stream|URL", help="where to (default: stdout)")
        parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE", help="sent to the URL")
        parser.add_argument("--secret", default="", help="signs what is sent to the URL, as Standard Webhooks do")
        parser.add_argument("--wait", action="store_true", help="until everything has been sent to the URL")

    def handle(self, *args: Any, **options: Any) -> None:
        given = {name: options[name] for name in _SHOWN if options[name]}
        if not given:
            raise CommandError(f"Say which events: {', '.join(f'--{name}' for name in _SHOWN)}.")
        try:
            replay = create(Wanted(_filter(options), _json(given), _pace(options), _endpoint(options)), None)
        except (CannotReplay, UnknownEventType, BadPattern) as error:
            raise CommandError(str(error)) from None
        if options["to"] == STDOUT:
            self._print(replay)
        elif options["to"] == STREAM:
            self.stdout.write(f"{replay.stream}  {replay.total} events")
        else:
            self.stdout.write(f"{replay.total} events go to the endpoint; replay {replay.pk}")
            if options["wait"]:
                self._wait(replay)

    def _print(self, replay: Replay) -> None:
        """Write the envelopes, a line each, when they are due."""
        after = 0
        try:
            while True:
                found = due(replay.pk, after)
                for _, _, text in found.events:
                    self.stdout.write(text)
                self.stdout.flush()
                after = found.through
                if found.ended:
                    return
                time.sleep(LOOK_SECONDS if found.next_in is None else found.next_in)
        except KeyboardInterrupt:
            self.stderr.write(f"Stopped after event {after} of {replay.total}.")
        finally:
            control.order(replay.pk, control.Command("cancel"), None)

    def _wait(self, replay: Replay) -> None:
        while replay.state in {State.RUNNING, State.PAUSED}:
            time.sleep(LOOK_SECONDS)
            replay.refresh_from_db()
        if replay.state != State.COMPLETED:
            raise CommandError(f"It is {replay.state} after event {replay.position} of {replay.total}. {replay.error}")
        self.stdout.write(f"All {replay.total} events were delivered.")


def _filter(options: dict[str, Any]) -> EventFilter:
    workspaces = None
    if options["workspace"]:
        workspaces = list(Workspace.objects.filter(slug=options["workspace"]).values_list("pk", flat=True))
        if not workspaces:
            raise CommandError(f"--workspace: there is none called {options['workspace']!r}.")
    return EventFilter(
        types=options["types"],
        sources=options["sources"],
        workflow=options["workflow"],
        execution=options["execution"],
        streams=options["streams"],
        since=options["since"],
        until=options["until"],
        text=options["text"],
        workspaces=workspaces,
        installation=not options["workspace"],
    )


def _json(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, list) else str(value) for name, value in given.items()}


def _pace(options: dict[str, Any]) -> Pace:
    if options["at_once"]:
        return Pace(Mode.AT_ONCE)
    if options["delay"] is not None:
        if options["delay"] < 0:
            raise CommandError("--delay is in milliseconds, 0 or more.")
        return Pace(Mode.DELAY, delay_ms=options["delay"])
    speed = 1.0 if options["speed"] is None else options["speed"]
    if not SLOWEST <= speed <= FASTEST:
        raise CommandError(f"--speed is a number from {SLOWEST} to {FASTEST:g}.")
    return Pace(Mode.SPEED, speed=speed)


def _endpoint(options: dict[str, Any]) -> Endpoint | None:
    if options["to"] in {STDOUT, STREAM}:
        return None
    headers = dict(_header(text) for text in options["header"])
    try:
        outbound.check_url(options["to"])
        key_of(options["secret"])
    except (OutboundRefused, OutboundFailed) as error:
        raise CommandError(f"--to: {error}") from None
    except ValueError:
        raise CommandError("--secret: after whsec_ there must be Base64.") from None
    return Endpoint(options["to"], headers, options["secret"])


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandError(f"--header: NAME:VALUE is wanted, not {text!r}.")
    return name.strip(), value.strip()

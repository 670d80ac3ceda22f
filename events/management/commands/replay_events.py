"""`manage.py replay_events`: sends recorded events again: to the terminal, a stream or a URL. No workflow runs."""

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
from events.replay.creation import CannotReplay, ReplayPace, ReplayRequest, create
from events.replay.models import Replay, ReplayMode, ReplayStatus
from events.replay.url_target import UrlTarget, signing_key
from events.replay.watching import due
from workflow_platform.core import outbound
from workflow_platform.core.accounts.command_options import workspace_of
from workflow_platform.core.command_arguments import moment
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused

STDOUT, STREAM = "stdout", "stream"
LOOK_SECONDS = 0.5
_SHOWN = ("types", "sources", "workflow", "execution", "streams", "since", "until", "text", "workspace")


class Command(BaseCommand):
    help = "Replay recorded events at their original pace, at a multiple of it, with a fixed delay, or all at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--execution", type=UUID, metavar="ID")
        parser.add_argument("--workflow", type=UUID, metavar="ID")
        parser.add_argument(
            "--types", nargs="+", default=[], metavar="TYPE", help="event types or patterns (execution.node_*)"
        )
        parser.add_argument(
            "--sources", nargs="+", default=[], metavar="SOURCE", help="sources or patterns (executions.*)"
        )
        parser.add_argument(
            "--streams", nargs="+", default=[], metavar="STREAM", help="names of streams: executions, workflow:<id>, …"
        )
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="events from this time on: ISO 8601, or an age (24h)"
        )
        parser.add_argument("--until", type=moment, metavar="TIME", help="events before this time")
        parser.add_argument("--text", default="", help="events whose data contains this text")
        parser.add_argument("--workspace", metavar="SLUG", help="only events of this workspace")
        pace = parser.add_mutually_exclusive_group()
        pace.add_argument("--speed", type=float, metavar="N", help="multiple of the original pace (default: 1)")
        pace.add_argument("--delay", type=int, metavar="MS", help="fixed delay between events, in milliseconds")
        pace.add_argument("--at-once", action="store_true", help="no delay between events")
        parser.add_argument(
            "--to", default=STDOUT, metavar="stdout|stream|URL", help="target of the events (default: stdout)"
        )
        parser.add_argument(
            "--header",
            action="append",
            default=[],
            metavar="NAME:VALUE",
            help="header of each request to the URL; repeat for several",
        )
        parser.add_argument("--secret", default="", help="signing secret for the URL (Standard Webhooks)")
        parser.add_argument("--wait", action="store_true", help="wait until all events have been sent to the URL")

    def handle(self, *args: Any, **options: Any) -> None:
        filters = {name: options[name] for name in _SHOWN if options[name]}
        if not filters:
            raise CommandError(f"Select events with at least one of {', '.join(f'--{name}' for name in _SHOWN)}.")
        try:
            replay = create(ReplayRequest(_filter(options), _json(filters), _pace(options), _endpoint(options)), None)
        except (CannotReplay, UnknownEventType, BadPattern) as error:
            raise CommandError(str(error)) from None
        if options["to"] == STDOUT:
            self._print(replay)
        elif options["to"] == STREAM:
            self.stdout.write(f"{replay.stream}  {replay.total} events")
        else:
            self.stdout.write(f"Sending {replay.total} events to the URL as replay {replay.pk}.")
            if options["wait"]:
                self._wait(replay)

    def _print(self, replay: Replay) -> None:
        """Write each event as a line when it is due."""
        after = 0
        try:
            while True:
                page = due(replay.pk, after)
                for _, _, text in page.events:
                    self.stdout.write(text)
                self.stdout.flush()
                after = page.through
                if page.ended:
                    return
                time.sleep(LOOK_SECONDS if page.next_in is None else page.next_in)
        except KeyboardInterrupt:
            self.stderr.write(f"Stopped after event {after} of {replay.total}.")
        finally:
            control.apply_command(replay.pk, control.Command("cancel"), None)

    def _wait(self, replay: Replay) -> None:
        while replay.state in {ReplayStatus.RUNNING, ReplayStatus.PAUSED}:
            time.sleep(LOOK_SECONDS)
            replay.refresh_from_db()
        if replay.state != ReplayStatus.COMPLETED:
            raise CommandError(
                f"The replay is {replay.state} after event {replay.position} of {replay.total}. {replay.error}"
            )
        self.stdout.write(f"Delivered all {replay.total} events.")


def _filter(options: dict[str, Any]) -> EventFilter:
    workspaces = [workspace_of(slug).pk] if (slug := options["workspace"]) else None
    return EventFilter(
        types=options["types"],
        sources=options["sources"],
        workflow=options["workflow"],
        execution=options["execution"],
        streams=options["streams"],
        since=options["since"],
        until=options["until"],
        texts=[options["text"]] if options["text"] else [],
        workspaces=workspaces,
        installation=workspaces is None,
    )


def _json(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, list) else str(value) for name, value in filters.items()}


def _pace(options: dict[str, Any]) -> ReplayPace:
    if options["at_once"]:
        return ReplayPace(ReplayMode.AT_ONCE)
    if options["delay"] is not None:
        if options["delay"] < 0:
            raise CommandError(f"--delay must be 0 or more milliseconds, not {options['delay']}.")
        return ReplayPace(ReplayMode.DELAY, delay_ms=options["delay"])
    speed = 1.0 if options["speed"] is None else options["speed"]
    if not SLOWEST <= speed <= FASTEST:
        raise CommandError(f"--speed must be a number from {SLOWEST} to {FASTEST:g}, not {speed:g}.")
    return ReplayPace(ReplayMode.SPEED, speed=speed)


def _endpoint(options: dict[str, Any]) -> UrlTarget | None:
    if options["to"] in {STDOUT, STREAM}:
        return None
    headers = dict(_header(text) for text in options["header"])
    try:
        outbound.check_url(options["to"])
        signing_key(options["secret"])
    except (OutboundRefused, OutboundFailed) as error:
        raise CommandError(f"--to: {error}") from None
    except ValueError:
        raise CommandError("--secret must be Base64 after the prefix whsec_.") from None
    return UrlTarget(options["to"], headers, options["secret"])


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandError(f"--header must be NAME:VALUE, not {text!r}.")
    return name.strip(), value.strip()

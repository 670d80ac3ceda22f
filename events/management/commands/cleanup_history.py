"""`manage.py cleanup_history`: removes old events of ended executions, as the scheduler does every hour."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from events.retention import cleanup
from events.retention.cleanup import CleanupReport
from events.retention.models import MOST_DAYS
from events.retention.purge import CHUNK
from events.retention.retention import RetentionTerms
from workflow_platform.core.accounts.command_options import workspace_of
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.leases import AlreadyRunning

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
KEEP_FAILED = "90d"


class Command(BaseCommand):
    help = (
        "Remove the events of executions that ended long ago. Executions that have not ended keep theirs. Without"
        " options it follows the settings EVENT_HISTORY_* and the policies of the workspaces. It is safe to stop and"
        " run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            metavar="30d",
            type=_age,
            help="Remove what ended this long ago. The policy of a workspace takes precedence.",
        )
        parser.add_argument(
            "--keep-failed", metavar=KEEP_FAILED, nargs="?", const=KEEP_FAILED, type=_age,
            help=f"Keep failed and timed-out executions this long instead; {KEEP_FAILED} without a value.",
        )  # fmt: skip
        parser.add_argument(
            "--max-events", metavar="N", type=_count, help="Keep at most this many events of ended executions."
        )
        parser.add_argument("--workspace", metavar="SLUG", help="Clean up this workspace only, and ignore its policy.")
        parser.add_argument("--chunk", metavar="N", type=_count, default=CHUNK, help="Rows per transaction.")
        parser.add_argument(
            "--executions", action="store_true", help="Also delete the executions, with their node runs and outputs."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only show what would be removed.")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = None if options["workspace"] is None else workspace_of(options["workspace"])
        terms = _terms(options)
        try:
            if options["dry_run"]:
                self._print(cleanup.forecast(terms, workspace, owners=options["executions"]), forecast=True)
            else:
                self._print(cleanup.clean_up(terms, workspace, options["chunk"], owners=options["executions"]))
        except AlreadyRunning as error:
            raise CommandError(str(error)) from None

    def _print(self, report: CleanupReport, *, forecast: bool = False) -> None:
        if report.is_empty:
            self.stdout.write("Nothing to remove.")
            return
        done = report.collected
        would = "would be " if forecast else ""
        slugs = dict(Workspace.objects.values_list("pk", "slug"))
        for workspace in sorted({*report.removed.streams, *report.bytes}, key=str):
            self.stdout.write(f"{_name(workspace, slugs)}: {_figures(report, workspace, forecast)} {would}removed")
        lines = [f"{name}: {would}dropped" for name in done.dropped]
        lines += [f"{name}: {would}rewritten without removed events" for name in done.thinned]
        lines += [f"{name}: {_counted(rows, 'row')} {would}deleted" for name, rows in done.rows.items()]
        lines += [f"{name}: skipped because it was in use; the next cleanup removes it" for name in done.busy]
        for name, (count, size) in report.owners.items():
            weight = f", {filesizeformat(size)} of outputs," if forecast else ""
            lines.append(f"{_counted(count, name)}{weight} {would}deleted")
        for line in lines:
            self.stdout.write(line)
        if done.dropped or done.thinned:
            self.stdout.write(f"{filesizeformat(done.bytes)} {would}returned to the file system")


def _figures(report: CleanupReport, workspace: UUID | None, forecast: bool) -> str:
    removed = report.removed
    counts = f"{_counted(removed.streams[workspace], 'stream')}, {_counted(removed.events[workspace], 'event')}"
    return f"{counts}, {filesizeformat(report.bytes[workspace])}" if forecast else counts


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _name(workspace: UUID | None, slugs: dict[UUID, str]) -> str:
    if workspace is None:
        return "(no workspace)"
    return slugs.get(workspace, f"{workspace} (deleted workspace)")


def _terms(options: dict[str, Any]) -> RetentionTerms:
    terms = RetentionTerms.of_settings()
    if options["older_than"] is not None:
        terms = replace(terms, keep=options["older_than"])
    if options["keep_failed"] is not None:
        terms = replace(terms, keep_failed=options["keep_failed"])
    if options["max_events"] is not None:
        terms = replace(terms, max_events=options["max_events"])
    return terms


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,8})([dhm])", text)
    age = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None
    if age is None or age > timedelta(days=MOST_DAYS):
        raise ValueError(text)
    return age


def _count(text: str) -> int:
    count = int(text)
    if not 0 < count < 2**31:
        raise ValueError(text)
    return count


# The name of the type in argparse's error messages.
_age.__name__ = "age (30d, 12h, 45m)"
_count.__name__ = "count"

"""`manage.py rerun`: rerun executions by filter, oldest first, as POST /api/executions/rerun/ does."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Literal
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, Priority, Workflow
from executions.reruns import FAILED, START, RerunFilter, RerunRequest, rerun_many
from workflow_platform.core.command_arguments import moment, positive

FIRST_SHOWN = 20


class Command(BaseCommand):
    help = "Rerun ended executions, oldest first. With --dry-run only count them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        ended = [status.value for status in ExecutionStatus if status.ended]
        parser.add_argument("--workflow", help="its id or name")
        parser.add_argument("--status", action="append", choices=ended, default=[], help="may be given several times")
        parser.add_argument("--since", type=moment, help="queued then or later: ISO 8601, or so long ago (24h)")
        parser.add_argument("--until", type=moment, help="queued earlier")
        parser.add_argument(
            "--id", action="append", type=UUID, default=[], dest="ids", help="may be given several times"
        )
        parser.add_argument("--skip-rerun", action="store_true", help="leave out what has been rerun already")
        parser.add_argument("--from", default=START, dest="start", help="start (default), failed, or a node's id")
        parser.add_argument("--latest", action="store_true", help="with the latest workflow version")
        parser.add_argument("--priority", choices=Priority.values)
        parser.add_argument("--limit", type=positive, help="at most so many")
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("workflow", "status", "since", "until", "ids")
        if not any(options[name] for name in names):
            raise CommandError("Say which executions: --workflow, --status, --since, --until or --id.")
        if options["start"] not in {START, FAILED} and not options["workflow"]:
            raise CommandError("--from: a node's id makes sense only within one --workflow.")
        chosen: dict[str, Any] = {name: options[name] for name in (*names[1:], "skip_rerun")}
        filters = RerunFilter(workflow=_workflow(options["workflow"]), **chosen)
        ids = list(filters.matching(Execution.objects.all()).values_list("pk", flat=True)[: options["limit"]])
        if options["dry_run"]:
            self.stdout.write(f"{len(ids)} executions would be rerun.")
            for pk in ids[:FIRST_SHOWN]:
                self.stdout.write(f"  {pk}")
            return
        version: Literal["same", "latest"] = "latest" if options["latest"] else "same"
        wanted = RerunRequest(options["start"], version, priority=options["priority"])
        started = failed = 0
        for report in rerun_many(ids, wanted, None):
            started, failed = started + len(report.started), failed + len(report.failed)
            for execution in report.started:
                self.stdout.write(f"  {execution.rerun_of_id} -> {execution.pk}")
            for pk, why in report.failed:
                self.stderr.write(f"  {pk}: {why}")
        self.stdout.write(f"{started} of {len(ids)} executions are rerun; {failed} could not be.")


def _workflow(named: str | None) -> UUID | None:
    """Return the id of a workflow by its id or its name. Raises CommandError unless there is exactly one."""
    if not named:
        return None
    try:
        found = Workflow.objects.filter(pk=UUID(named))
    except ValueError:
        found = Workflow.objects.filter(name=named, deleted_at__isnull=True)
    ids = list(found.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        raise CommandError(
            f"--workflow: {'several workflows have' if ids else 'no workflow has'} the name or id {named!r}."
        )
    return ids[0]

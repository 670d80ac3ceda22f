"""`manage.py rerun`: reruns executions that match filters, oldest first, as POST /api/executions/rerun/ does."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from typing import Any, Literal, cast, get_args
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from executions.domain.effects import Choice
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, Mode, Priority, Workflow
from executions.reruns import FAILED, MAX_PREVIEWED, START, RerunFilter, RerunRequest, preview_many, rerun_many
from workflow_platform.core.command_arguments import moment, positive

FIRST_SHOWN = 20


class Command(BaseCommand):
    help = "Rerun ended live executions that match the filters, oldest first; test and debug executions only by --id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        ended = [status.value for status in ExecutionStatus if status.ended]
        parser.add_argument("--workflow", metavar="ID_OR_NAME", help="executions of this workflow")
        parser.add_argument(
            "--status",
            action="append",
            choices=ended,
            default=[],
            help="executions with this status; repeat for several",
        )
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="queued at this time or later: ISO 8601, or an age (24h)"
        )
        parser.add_argument("--until", type=moment, metavar="TIME", help="queued before this time")
        parser.add_argument(
            "--id", action="append", type=UUID, default=[], dest="ids", help="this execution; repeat for several"
        )
        parser.add_argument("--skip-rerun", action="store_true", help="skip executions that have been rerun before")
        parser.add_argument(
            "--from", default=START, dest="start", help="where to start: start (default), failed, or the id of a node"
        )
        parser.add_argument("--latest", action="store_true", help="use the latest version of the workflow")
        parser.add_argument("--priority", choices=Priority.values)
        parser.add_argument("--mode", choices=Mode.values, help="by default, the mode of the execution")
        parser.add_argument(
            "--effect",
            action="append",
            type=_choice,
            default=[],
            dest="choices",
            metavar="NODE=run|reuse|skip",
            help="run a node, reuse its saved output, or skip it, so that its items pass it by; repeat for several",
        )
        parser.add_argument("--limit", type=positive, help="rerun at most this many")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only show which executions would be rerun, and which nodes would write or send again",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("workflow", "status", "since", "until", "ids")
        if not any(options[name] for name in names):
            raise CommandError("Select executions with --workflow, --status, --since, --until or --id.")
        if options["start"] not in {START, FAILED} and not options["workflow"]:
            raise CommandError(
                f"--from: a node id ({options['start']!r}) needs --workflow; nodes of several workflows differ."
            )
        chosen: dict[str, Any] = {name: options[name] for name in (*names[1:], "skip_rerun")}
        filters = RerunFilter(workflow=_workflow(options["workflow"]), **chosen)
        ids = list(filters.matching(Execution.objects.all()).values_list("pk", flat=True)[: options["limit"]])
        version: Literal["same", "latest"] = "latest" if options["latest"] else "same"
        further: dict[str, Any] = {name: options[name] for name in ("priority", "mode")}
        request = RerunRequest(options["start"], version, choices=dict(options["choices"]), **further)
        if options["dry_run"]:
            self.stdout.write(f"{len(ids)} executions would be rerun.")
            for pk in ids[:FIRST_SHOWN]:
                self.stdout.write(f"  {pk}")
            self._show_acting(ids[:MAX_PREVIEWED], request)
            return
        started = failed = 0
        for report in rerun_many(ids, request, None):
            started, failed = started + len(report.started), failed + len(report.failed)
            for execution in report.started:
                self.stdout.write(f"  {execution.rerun_of_id} -> {execution.pk}")
            for pk, why in report.failed:
                self.stderr.write(f"  {pk}: {why}")
        self.stdout.write(f"Reran {started} of {len(ids)} executions; {failed} failed to start.")

    def _show_acting(self, ids: Sequence[UUID], request: RerunRequest) -> None:
        """List the nodes that would act again."""
        acting = preview_many(ids, request)
        if acting:
            self.stdout.write(f"Nodes that would write or send again, in the first {len(ids)}:")
        for each in acting:
            node = each.node
            what = f"{node.node}: {node.name}, {node.effect}, in {each.executions} executions"
            self.stdout.write(f"  {what}{'' if node.choice == 'run' else f' ({node.choice})'}")


def _choice(text: str) -> tuple[str, Choice]:
    """Read NODE=run|reuse|skip."""
    node, _, choice = text.rpartition("=")
    if not node or choice not in get_args(Choice):
        raise ArgumentTypeError(f"{text!r} must be NODE=run, NODE=reuse or NODE=skip.")
    return node, cast("Choice", choice)


def _workflow(reference: str | None) -> UUID | None:
    """Return the id of a workflow by its id or its name. Raises CommandError unless there is exactly one."""
    if not reference:
        return None
    try:
        rows = Workflow.objects.filter(pk=UUID(reference))
    except ValueError:
        rows = Workflow.objects.filter(name=reference, deleted_at__isnull=True)
    ids = list(rows.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        raise CommandError(
            f"--workflow: {'several workflows have' if ids else 'no workflow has'} the name or id {reference!r}."
        )
    return ids[0]

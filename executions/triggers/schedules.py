"""Schedules: synchronizes their rows with the active workflows, and fires the schedules that are due, each once.

A schedule is fired under the lock of its row, and the execution is created in the transaction that advances `next_at`.
After a crash before the commit it is still due; after the commit it is not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from pydantic import ValidationError

from executions import lifecycle
from executions.domain.graph import InvalidGraph, pydantic_problems
from executions.domain.schedule_rule import ScheduleRule
from executions.lifecycle.concurrency_keys import ConcurrencyKey
from executions.models import Missed, Schedule, Trigger, Workflow, WorkflowVersion
from executions.nodes.schedule_trigger import ScheduleTriggerParameters, item_of
from workflow_platform.core.sandbox.batching import Batches
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""A planned time further in the past counts as missed. Longer than the restart of a scheduler takes."""
MAX_MISSED = 100
"""The most missed runs of one schedule that are made up for or counted."""
BATCH = 500
BUDGET_SECONDS = 2.0
"""The longest time that one call of `fire_due` takes."""
BROKEN_RETRY = timedelta(hours=1)
"""The time between attempts if the next time cannot be computed, for example because a time zone was removed."""
SHOWN = 5
NEXT_DUE = "SELECT min(next_at) FROM executions_schedule"
"""When `fire_due` has something to do, as SQL."""


# --- synchronizing with the workflow ---------------------------------------------------------------------------------


def triggers_of(version: WorkflowVersion | None) -> dict[str, ScheduleTriggerParameters]:
    """Return the parameters of the enabled schedule triggers by node id. Raises InvalidGraph if they are no longer
    valid, for example because a time zone was removed from the machine."""
    triggers = dict[str, ScheduleTriggerParameters]()
    if version is None:
        return triggers
    for node in version.nodes:
        if node["type"] == "schedule_trigger" and not node.get("disabled"):
            try:
                triggers[node["id"]] = ScheduleTriggerParameters.model_validate(
                    {"timezone": version.timezone} | node.get("parameters", {})
                )
            except ValidationError as error:
                raise InvalidGraph(pydantic_problems(error, node["id"], None, "parameters")) from None
    return triggers


def synchronize(workflow: Workflow) -> None:
    """Make the workflow's schedules those of its latest version, or none while it is inactive.

    The caller's transaction holds the lock of the workflow's row. A schedule keeps its next time if its rule is the
    same.
    """
    triggers = triggers_of(workflow.latest_version) if workflow.active else {}
    workflow.schedules.exclude(node_id__in=triggers).delete()
    rows = {row.node_id: row for row in workflow.schedules.all()}
    now = timezone.now()
    for node_id, parameters in triggers.items():
        row = rows.get(node_id) or Schedule(workflow=workflow, node_id=node_id)
        rule = parameters.rule(anchor=now.replace(microsecond=0))
        if row.pk is None or not row.rule.same_times(rule):
            row.cron, row.interval_seconds = rule.cron or "", rule.interval_seconds
            row.anchor_at, row.next_at = rule.anchor, rule.after(now)
        row.timezone, row.missed = parameters.timezone, parameters.missed
        row.save()


# --- firing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Firing:
    """The decision on a due schedule: start an execution for `planned`, if any, and advance it to `next_at`."""

    planned: datetime | None
    missed: bool
    """Whether `planned` itself was missed."""
    missed_runs: int
    """How many earlier runs were missed and get no execution."""
    next_at: datetime


def plan(rule: ScheduleRule, policy: str, planned: datetime, now: datetime) -> Firing:
    """Decide on a schedule that is due since `planned`, by its policy for missed runs."""
    due = rule.due_between(planned, now, MAX_MISSED + 1)
    on_time = now - due[-1] <= GRACE
    missed = (due[:-1] if on_time else due)[-MAX_MISSED:]
    if policy == Missed.RUN_ALL and missed:
        left = [*missed[1:], due[-1]] if on_time else missed[1:]
        return Firing(missed[0], True, 0, left[0] if left else rule.after(now))
    if on_time or policy == Missed.RUN_ONCE:
        return Firing(due[-1], not on_time, len(due) - 1, rule.after(now))
    return Firing(None, False, len(missed), rule.after(now))


def fire_due() -> int:
    """Start an execution for every due schedule; return how many. Several schedulers may run at once.

    The schedules take turns, so that missed runs of one do not delay the others. Ends when nothing is due, when other
    schedulers hold all due schedules, or after BUDGET_SECONDS. Schedules whose concurrency key is JavaScript are fired
    by threads.
    """
    began, fired = time.monotonic(), 0
    while True:
        least_recently_fired = F("last_fired_at").asc(nulls_first=True)
        due = Schedule.objects.filter(next_at__lte=timezone.now()).order_by(least_recently_fired, "id")
        handled = 0
        for pk in list(due.values_list("pk", flat=True)[:BATCH]):
            if time.monotonic() - began > BUDGET_SECONDS:
                return fired
            if pk in _awaiting_key:
                continue
            outcome = _fire(pk)
            handled += outcome is not None
            fired += bool(outcome)
        if not handled:
            return fired


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The concurrency key of a firing, computed before its transaction."""

    planned: datetime
    now: datetime
    key: ConcurrencyKey | None


class _NeedsKey(Exception):
    """The concurrency key is JavaScript and must be evaluated before the row is locked."""

    def __init__(self, workflow: Workflow, item: dict[str, Any], planned: datetime, now: datetime) -> None:
        super().__init__(_NeedsKey.__doc__)
        self.workflow, self.item, self.planned, self.now = workflow, item, planned, now

    def ahead(self) -> _Ahead:
        """Return the key. Raises SandboxUnavailable."""
        return _Ahead(self.planned, self.now, lifecycle.key_ahead(self.workflow, [self.item]))


def _fire(pk: int, ahead: _Ahead | None = None) -> bool | None:
    """Fire one schedule. Returns whether it started an execution. None if it is no longer due, another scheduler
    holds it, or another thread evaluates its concurrency key first.

    An error of one schedule is written to its row and does not affect the others; a lost database raises.
    """
    planned: datetime | None = None
    try:
        with transaction.atomic():
            # Locks the workflow too: saving it locks its row first and then changes the schedule. Skipped while locked.
            locked = Schedule.objects.select_for_update(skip_locked=True, of=("self", "workflow"), no_key=True)
            schedule = locked.select_related("workflow").filter(pk=pk, next_at__lte=timezone.now()).first()
            if schedule is None:
                return None
            planned = schedule.next_at
            return _start(schedule, ahead)
    except _NeedsKey as needed:
        _awaiting_key.add(pk)
        _keys.put(str(needed.workflow.workspace_id), (pk, needed))
        return None
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if planned is None:
            raise
        _report(pk, planned, error)
        return False


def _fire_with_key(_: str, batch: Sequence[tuple[int, _NeedsKey]]) -> Sequence[tuple[int, _NeedsKey]]:
    """Fire schedules whose concurrency key is JavaScript. Slow keys of a workspace delay only its own schedules."""
    for pk, needed in batch:
        try:
            _fire(pk, needed.ahead())
        except SandboxUnavailable as error:
            logger.warning("schedule not fired: %s; the next sweep tries again", error, extra={"schedule_id": pk})
        finally:
            _awaiting_key.discard(pk)
            connection.close()
    return []


_awaiting_key: set[int] = set()
_keys: Batches[tuple[int, _NeedsKey]] = Batches("keys of schedules", 1, _fire_with_key, lambda _: None)


def _start(schedule: Schedule, ahead: _Ahead | None) -> bool:
    """Start the due execution, if the policy allows one, and advance the schedule, in the caller's transaction.

    Raises _NeedsKey."""
    if ahead is not None and ahead.planned != schedule.next_at:
        ahead = None  # another scheduler has fired it meanwhile
    now = ahead.now if ahead else timezone.now()
    firing = plan(schedule.rule, schedule.missed, schedule.next_at, now)
    due, schedule.next_at = schedule.next_at, firing.next_at
    if firing.planned is None:
        logger.info(
            "%d missed runs of a schedule skipped, as its settings say",
            firing.missed_runs,
            extra={"count": firing.missed_runs} | _fields(schedule),
        )
        schedule.save(update_fields=["next_at"])
        return False
    item = item_of(firing.planned, now, schedule.timezone, firing.missed, firing.missed_runs)
    if ahead is None and lifecycle.needs_key_ahead(schedule.workflow, [item]):
        raise _NeedsKey(schedule.workflow, item, due, now)
    schedule.last_execution = lifecycle.create_execution(
        workflow=schedule.workflow,
        trigger=Trigger.SCHEDULE,
        input=[item],
        trigger_node=schedule.node_id,
        key=ahead and ahead.key,
    )
    schedule.last_at, schedule.last_fired_at = firing.planned, now
    schedule.last_error, schedule.last_error_at = "", None
    schedule.save()
    return True


def _fields(schedule: Schedule) -> dict[str, object]:
    return {"schedule_id": schedule.pk, "workflow_id": schedule.workflow_id, "node": schedule.node_id}


def _report(pk: int, planned: datetime, error: Exception) -> None:
    """Write the error to the schedule's row and advance it, unless it was fired: then only an on-commit hook failed."""
    if isinstance(error, lifecycle.CannotStart):
        said = str(error)
        logger.warning("scheduled execution not started: %s", said, extra={"schedule_id": pk})
    else:
        said = f"{type(error).__name__}: see the scheduler's log for details."
        logger.error("schedule not fired; it goes on with its next time", exc_info=error, extra={"schedule_id": pk})
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().filter(pk=pk, next_at=planned).first()
        if schedule is None:
            return
        now = timezone.now()
        try:
            schedule.next_at = schedule.rule.after(now)
        except Exception:
            schedule.next_at = now + BROKEN_RETRY
        schedule.last_error, schedule.last_error_at = said, now
        schedule.save(update_fields=["next_at", "last_error", "last_error_at"])


# --- showing ---------------------------------------------------------------------------------------------------------


def times_of(rule: ScheduleRule, first: datetime, count: int = SHOWN) -> list[datetime]:
    """Return the next times of a schedule that is due at `first`."""
    return [first, *rule.following(first, count - 1)]


def listed(workflow: Workflow, version: WorkflowVersion | None = None) -> list[dict[str, Any]]:
    """Return the schedules of a version, by default the latest, as the API and the page show them.

    `next` is empty if the schedule does not run: the workflow is inactive, or the version is not the latest.
    """
    try:
        triggers = triggers_of(version or workflow.latest_version)
    except InvalidGraph:
        return []  # the validation of the definition shows the problem
    rows = {row.node_id: row for row in workflow.schedules.all()} if triggers else {}
    listing = []
    for node_id, parameters in triggers.items():
        rule, row = parameters.rule(timezone.now()), rows.get(node_id)
        active = row is not None and row.rule.same_times(rule)
        listing.append(
            {
                "node": node_id,
                "cron": rule.cron,
                "interval_seconds": rule.interval_seconds,
                "timezone": rule.timezone,
                "missed": parameters.missed,
                "words": rule.in_words(),
                "next": times_of(row.rule, row.next_at) if row is not None and active else [],
                "last_at": row and row.last_at,
                "last_fired_at": row and row.last_fired_at,
                "last_execution": row and row.last_execution_id,
                "last_error": row.last_error if row else "",
                "last_error_at": row and row.last_error_at,
            }
        )
    return listing

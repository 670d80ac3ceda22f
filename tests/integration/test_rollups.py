"""Rollups say what a slow count of the events says, whenever they were counted, folded, or their events removed."""

from __future__ import annotations

import json
import random
import threading
from bisect import bisect_left
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from events import log
from events.log import NewEvent
from events.log.models import Event
from events.retention import cleanup
from events.retention.retention import RetentionTerms
from executions import retention, rollups
from executions.domain.histograms import BINS, BOUNDS_MS, quantile
from executions.lifecycle import create_execution
from executions.models import Execution, ExecutionTotal, Mode, NodeRollup, NodeTotal, Trigger, Workflow
from executions.rollups import folding, reading
from executions.rollups.reading import RollupSpan
from tests.engine import COMMITS, make_workflow
from workflow_platform.installation.embedded import wait_until

EVER = RollupSpan(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ENDS = ("completed", "failed", "cancelled", "timed_out")
NODES = ("first", "second")


def workflow() -> Workflow:
    return make_workflow([{"id": "start", "type": "manual_trigger"}], [])


def run(of: Workflow, chance: random.Random, mode: Mode = Mode.LIVE) -> Execution:
    """Write the events of an execution at random times of the last days."""
    trigger = chance.choice([Trigger.MANUAL, Trigger.SCHEDULE, Trigger.RERUN])
    execution = create_execution(workflow=of, trigger=trigger, input=[], mode=mode)
    began = timezone.now() - timedelta(minutes=chance.randrange(4000))
    Execution.objects.filter(pk=execution.pk).update(queued_at=began - timedelta(seconds=3), started_at=began)
    say(execution, "started", {"worker": "w", "fencing_token": 1, "nodes_total": 2}, began)
    for node in NODES:
        for number in range(chance.randrange(3)):
            say(execution, *node_event(node, number, chance), began + timedelta(seconds=chance.randrange(200)))
    if chance.random() < 0.9:
        end(execution, chance.choice(ENDS), chance.choice(BOUNDS_MS) * chance.choice([0.7, 1, 1.5]), chance, began)
    return execution


def say(execution: Execution, kind: str, data: dict[str, Any], at: datetime) -> None:
    fields = {"execution_id": execution.pk, "workflow_id": execution.workflow_id, "time": at}
    with transaction.atomic():
        log.append([NewEvent(execution.stream_id, f"execution.{kind}", data, "tests", **fields)])  # type: ignore[arg-type]


def node_event(node: str, number: int, chance: random.Random) -> tuple[str, dict[str, Any]]:
    data: dict[str, Any] = {"node": node, "name": node, "node_type": f"type_{node}", "run_index": number, "attempt": 1}
    error = {"type": "X", "message": "No."}
    match chance.choice(["completed", "completed", "cached", "copied", "failed", "retrying"]):
        case "failed":
            further: dict[str, Any] = {"duration_ms": 5.0, "error": error, "failed_items": 2, "on_error": "stop"}
            return "node_failed", data | further
        case "retrying":
            return "node_retrying", data | {"next_attempt": 2, "delay_ms": 1.0, "error": error}
        case kind:
            figures = {"duration_ms": chance.random() * 1000, "output_items": 3, "output_bytes": 70, "outputs": {}}
            figures |= {"cpu_ms": chance.choice([None, 1.5]), "memory_bytes": chance.choice([None, 99])}
            figures |= {"from_cache": kind == "cached"} | ({"taken_from": "x"} if kind == "copied" else {})
            return "node_completed", data | figures


def end(execution: Execution, kind: str, took: float, chance: random.Random, at: datetime) -> None:
    summary = {"duration_ms": took, "nodes_executed": 1, "nodes_failed": 0, "nodes_skipped": 0}
    data: dict[str, Any] = {"summary": summary | {"slowest": None, "fastest": None}}
    if kind == "completed" and chance.random() < 0.3:
        data["cached_from"] = "another"
    data |= {
        "completed": {},
        "failed": {"error": {"type": "X", "message": "No."}},
        "cancelled": {"reason": "No.", "by": None},
        "timed_out": {"limit_ms": 5},
    }[kind]
    say(execution, kind, data, at + timedelta(seconds=1))


def slow_count() -> tuple[dict[UUID, dict[str, Any]], dict[tuple[UUID, str], dict[str, Any]]]:
    """Count the events one by one: of each workflow, and of each of its nodes."""
    executions: dict[UUID, dict[str, Any]] = defaultdict(lambda: defaultdict(int) | {"durations": [0] * BINS})
    nodes: dict[tuple[UUID, str], dict[str, Any]] = defaultdict(lambda: defaultdict(int) | {"durations": [0] * BINS})
    for event in Event.objects.filter(stream__mode="live", workflow_id__isnull=False):
        kind, data = event.type.partition(".")[2], event.data
        whole = executions[event.workflow_id]  # type: ignore[index]
        if kind in ("queued", "started", *ENDS):
            whole[kind] += 1
            if kind == "completed" and "cached_from" in data and data["cached_from"]:
                whole["cached"] += 1
            elif kind == "completed":
                add(whole, data["summary"]["duration_ms"])
        elif kind in ("node_completed", "node_failed", "node_retrying") and not data.get("taken_from"):
            one = nodes[event.workflow_id, data["node"]]  # type: ignore[index]
            one["retries"] += kind == "node_retrying"
            one["runs"] += kind != "node_retrying"
            one["failed"] += kind == "node_failed"
            one["cached"] += bool(data.get("from_cache"))
            for name, field in (("items", "output_items"), ("bytes", "output_bytes"), ("cpu_ms", "cpu_ms")):
                one[name] += data.get(field) or 0
            if kind == "node_completed" and not data["from_cache"]:
                add(one, data["duration_ms"])
    return executions, nodes


def add(figures: dict[str, Any], took: float) -> None:
    figures["duration_ms"] += took
    figures["durations"][bisect_left(BOUNDS_MS, took)] += 1


def assert_counted() -> None:
    """Compare everything that the rollups say with the slow count."""
    executions, nodes = slow_count()
    by_workflow, by_node = reading.by_workflow(EVER, None), reading.by_node(EVER, None)
    assert by_workflow.keys() == executions.keys()
    assert by_node.keys() == nodes.keys()
    names = ("queued", "started", *ENDS, "cached", "duration_ms", "durations")
    for key, whole in executions.items():
        assert [getattr(by_workflow[key], name) for name in names] == approximately(whole, names)
    names = ("runs", "failed", "retries", "cached", "items", "bytes", "cpu_ms", "duration_ms", "durations")
    for of_node, one in nodes.items():
        assert [getattr(by_node[of_node], name) for name in names] == approximately(one, names)
        assert by_node[of_node].node_type == f"type_{of_node[1]}"


def approximately(figures: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    return [pytest.approx(figures[name]) if name.endswith("_ms") else figures[name] for name in names]


def totals() -> dict[str, int]:
    counted: dict[str, int] = defaultdict(int)
    for row in ExecutionTotal.objects.all():
        counted[row.event] += row.count
    return dict(counted) | {"runs": sum(row.runs for row in NodeTotal.objects.all())}


@COMMITS
def test_rollups_equal_a_slow_count_and_outlive_the_events() -> None:
    chance = random.Random(17)
    of = [workflow(), workflow()]
    for number in range(60):
        run(chance.choice(of), chance, Mode.TEST if number % 10 == 0 else Mode.LIVE)
        if number in (0, 20):
            assert rollups.advance()
    assert not rollups.advance(patience=0, at_once=100)  # a part of the backlog
    with ThreadPoolExecutor(4) as pool:  # each event is counted by one of them
        list(pool.map(advance_in_thread, range(4)))
    assert rollups.advance()
    assert_counted()
    waits = reading.by_workflow(EVER, [of[0].pk])[of[0].pk]
    assert (waits.mean_wait_ms, sum(waits.waits)) == (pytest.approx(3000, abs=1), waits.started)
    steps = reading.by_step(EVER, timedelta(hours=1), None)
    assert all(step.minute == 0 for step in steps)
    assert sum(step.started for step in steps.values()) == totals()["started"]

    before, whole = totals(), reading.together(EVER, None)
    folding.fold(timezone.now() + timedelta(days=13))  # all minutes but those of the last day are old by then
    assert set(NodeRollup.objects.values_list("seconds", flat=True)) == {60, 3600}
    assert_counted()
    ends = Execution.objects.exclude(ended_at__isnull=True)
    Execution.objects.update(ended_at=timezone.now(), status="completed", follow_up_due=False)
    retention.delete_ended(list(ends.values_list("pk", flat=True)))
    cleanup.clean_up(RetentionTerms(timedelta(microseconds=1)))
    assert rollups.advance()
    assert (totals(), reading.together(EVER, None)) == (before, whole)
    of[0].delete()
    assert reading.by_workflow(EVER, None).keys() == {of[1].pk}
    folding.fold(timezone.now() + timedelta(days=500))
    assert (reading.by_workflow(EVER, None), reading.by_node(EVER, None), totals()) == ({}, {}, before)


def advance_in_thread(_: int) -> None:
    rollups.advance()
    connection.close()


@COMMITS
def test_an_event_that_is_committed_late_is_counted_in_its_minute() -> None:
    chance, of = random.Random(1), workflow()
    appended, go_on = threading.Event(), threading.Event()
    held = create_execution(workflow=of, trigger=Trigger.API, input=[])
    at = timezone.now() - timedelta(hours=1)

    def commit_late() -> None:
        with transaction.atomic():
            say(held, *node_event("first", 0, chance), at)  # no lifecycle event, for which others would wait
            appended.set()
            assert go_on.wait(60)
        connection.close()

    thread = threading.Thread(target=commit_late)
    thread.start()
    assert appended.wait(60)
    others = threading.Thread(target=lambda: (run(workflow(), chance), connection.close()))
    others.start()
    wait_until(lambda: Event.objects.filter(type="execution.queued").count() > 1, "Events of others")
    assert rollups.advance()
    assert reading.by_node(EVER, [of.pk]) == {}
    assert reading.together(EVER, None).started == 0  # what follows an open transaction is not counted yet
    go_on.set()
    for each in (thread, others):
        each.join()
    assert rollups.advance()
    assert_counted()
    minute = at.replace(second=0, microsecond=0)
    span = RollupSpan(at - timedelta(minutes=1), at)
    assert reading.node_by_step(span, timedelta(minutes=1), of.pk, "first").keys() == {minute}


def test_quantiles_are_interpolated_within_their_bin() -> None:
    counts = [0] * BINS
    assert quantile(counts, 0.5) is None
    counts[BOUNDS_MS.index(1000)] = 4  # 500 to 1000 ms
    assert [quantile(counts, share) for share in (0, 0.5, 1)] == [500, 750, 1000]
    counts[-1] = 96
    assert quantile(counts, 0.5) == BOUNDS_MS[-1]


@COMMITS
def test_each_event_of_a_day_without_statistics_is_read_once() -> None:
    """A plan that read all events for each stream took seconds after every midnight."""
    of, chance = workflow(), random.Random(3)
    executions = [create_execution(workflow=of, trigger=Trigger.MANUAL, input=[]) for _ in range(900)]
    for number in range(4):
        kind, data = node_event("first", number, chance)
        with transaction.atomic():
            log.append([NewEvent(x.stream_id, f"execution.{kind}", data, "tests", x.pk, of.pk) for x in executions])
    blocks = 0

    def explain(run: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        nonlocal blocks
        if not statement.lstrip().startswith("WITH found"):
            return run(statement, parameters, many, context)
        with connection.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            plan = json.loads(cursor.fetchone()[0])[0]["Plan"]
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        raise Explained

    with pytest.raises(Explained), connection.execute_wrapper(explain):
        rollups.advance()
    assert 0 < blocks < 20 * 5 * len(executions)


class Explained(Exception):
    """Ends the transaction: what was explained has been counted."""

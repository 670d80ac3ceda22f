"""The critical path of an execution, from its node runs, waits and events."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone

from events.log import reading
from executions.domain import critical_path as paths
from executions.domain.critical_path import (
    CriticalPath,
    Halt,
    Interruption,
    PathRun,
    PathSegment,
    PathSpan,
    PathStretch,
    RunKey,
)
from executions.domain.statuses import NodeRunStatus
from executions.models import Execution, NodeRun, Wait

MAX_SEGMENTS = 2_000
"""A longer path is added up by node."""
MAX_STRETCHES = 2_000
"""More stretches of a window are given as buckets."""
MAX_CELLS = 20_000
"""Buckets of all nodes together, at most."""

# What happened to node runs besides their start and end, and what stopped all of them.
_EVENTS = """
SELECT e.type, e.time, e.data, CASE e.type WHEN 'execution.recovered' THEN
  (SELECT p.time FROM events_event p WHERE p.stream_id = e.stream_id AND p.sequence = e.sequence - 1) END
FROM events_event e WHERE e.stream_id = %s AND e.sequence BETWEEN %s AND %s AND (e.type IN (
  'execution.waiting', 'execution.paused', 'execution.resumed', 'execution.recovered', 'execution.node_waiting',
  'execution.node_retrying')
  OR e.type = 'execution.node_started' AND e.data->>'attempt' <> '1')
ORDER BY e.sequence
"""


@dataclass(frozen=True, slots=True)
class ExecutionPath:
    """The critical path of an execution. Lengths are in ms; those of the segments add up to `wall_ms`."""

    wall_ms: float
    """From queueing to the end, or until now."""
    ended: bool
    folded: bool
    """Whether the segments are added up by node, because they are too many."""
    segments: list[PathSegment]
    totals: dict[str, float]
    """The length of all segments of each kind."""
    slack: dict[str, float]
    """By node: how much longer each of its runs could have taken without a later end."""


@dataclass(frozen=True, slots=True)
class ShownPath:
    """Where the critical path runs in a window of time. Times are in ms from the start of the execution."""

    from_ms: float
    to_ms: float
    bucket_ms: float | None
    """The length of the buckets that the stretches consist of; None if every stretch is in it, with its own times."""
    stretches: list[PathStretch]
    zero: int
    """When the execution started, in microseconds from its queueing, as the stretches count."""


def critical_path(execution: Execution) -> ExecutionPath:
    """Return the critical path of an execution; of one that has not ended, until now."""
    whole, _, found = _path(execution)
    totals: dict[str, float] = defaultdict(float)
    for each in found.segments:
        totals[each.kind] += each.microseconds
    is_long = len(found.segments) > MAX_SEGMENTS
    return ExecutionPath(
        whole.end / 1000,
        execution.ended_at is not None,
        is_long,
        paths.folded(found.segments) if is_long else found.segments,
        {kind: microseconds / 1000 for kind, microseconds in totals.items()},
        {node: microseconds / 1000 for node, microseconds in sorted(found.slack.items())},
    )


def shown_path(execution: Execution, from_ms: float | None, to_ms: float | None, buckets: int) -> ShownPath:
    """Return where the path runs: all of it if that is little, else what is in the window, and if that is still much,
    in which of the buckets of the window each node is on it."""
    whole, zero, found = _path(execution)
    window = whole
    stretches = paths.stretches(found.segments, window)
    if len(stretches) > MAX_STRETCHES:
        begin = 0 if from_ms is None else min(whole.end, max(0, zero + round(from_ms * 1000)))
        end = whole.end if to_ms is None else min(whole.end, max(begin, zero + round(to_ms * 1000)))
        window = PathSpan(begin, end)
        stretches = paths.stretches(found.segments, window)
    length: float | None = None
    if len(stretches) > MAX_STRETCHES:
        nodes = len({each.run[0] for each in stretches})
        bucket = max(1, math.ceil((window.end - window.begin) / max(1, min(buckets, MAX_CELLS // nodes))))
        stretches = paths.in_buckets(stretches, window, bucket)
        length = bucket / 1000
    return ShownPath((window.begin - zero) / 1000, (window.end - zero) / 1000, length, stretches, zero)


def _path(execution: Execution) -> tuple[PathSpan, int, CriticalPath]:
    """Return the time from queueing to the end, when in it the execution started, and the path."""
    clock, now = _Clock(execution.queued_at), timezone.now()
    whole = PathSpan(0, max(0, clock.at(execution.ended_at or now)))
    started = min(whole.end, clock.at(execution.started_at) if execution.started_at else whole.end)
    happened = list(_happened(execution))
    halts = _halts(happened, _resolved(execution), clock, whole.end)
    interruptions = [*_before_start(execution, clock, started), *_interruptions(happened, clock, whole.end)]
    runs = list(_runs(execution, halts, clock, whole.end))
    zero = started if execution.started_at else 0
    return whole, zero, paths.critical_path(whole, runs, interruptions, started)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Counts microseconds from a moment."""

    zero: datetime

    def at(self, moment: datetime) -> int:
        return (moment - self.zero) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Event:
    type: str
    at: datetime
    data: dict[str, Any]
    before: datetime | None
    """When the event before it happened; of recoveries only."""

    @property
    def run(self) -> RunKey:
        return self.data["node"], int(self.data.get("run_index") or 0)


def _happened(execution: Execution) -> Iterator[_Event]:
    name = execution.stream.name
    state = reading.states([name])[name]
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, [state.id, state.removed_through + 1, state.head])
        for kind, at, data, before in cursor.fetchall():
            content = data if isinstance(data, dict) else orjson.loads(data)
            yield _Event(kind.removeprefix("execution."), at, content, before)


def _resolved(execution: Execution) -> dict[str, datetime]:
    """Return when the waits were resolved, by their ids."""
    rows = Wait.objects.filter(execution=execution, resolved_at__isnull=False).order_by()
    return {str(pk): at for pk, at in rows.values_list("pk", "resolved_at") if at is not None}


def _runs(execution: Execution, halts: Mapping[RunKey, list[Halt]], clock: _Clock, now: int) -> Iterator[PathRun]:
    columns = ("node_id", "run_index", "status", "started_at", "ended_at", "inputs", "taken_from")
    rows = NodeRun.objects.filter(execution=execution).order_by("id").values_list(*columns)
    skipped: dict[str, list[RunKey]] = defaultdict(list)
    sources: dict[str, list[str]] = defaultdict(list)
    for edge in execution.version.edges:
        sources[edge["target"]].append(edge["source"])
    made: list[tuple[PathRun, dict[str, Any]]] = []
    for node, run_index, status, begin, end, inputs, taken_from in rows:
        if status == NodeRunStatus.SKIPPED:
            begin = end
            skipped[node].append((node, run_index))
        if begin is not None and taken_from is None:
            over = now if end is None else clock.at(end)
            key = (node, run_index)
            made.append((PathRun(key, clock.at(begin), over, halts=halts.get(key, ())), inputs or {}))
    ends = {run.key: run.end for run, _ in made}
    for run, inputs in made:
        needed = {(ref["node"], int(ref.get("run_index") or 0)) for refs in inputs.values() for ref in refs}
        # A node that joins branches also waits until it is known that the others give nothing.
        needed |= {
            key
            for source in sources[run.key[0]]
            for key in skipped[source]
            if ends.get(key, now) <= run.begin and key != run.key
        }
        run.after = sorted(needed)
        yield run


def _halts(
    happened: Iterable[_Event], resolved: Mapping[str, datetime], clock: _Clock, now: int
) -> dict[RunKey, list[Halt]]:
    """Return the waits and retry delays of the node runs."""
    halts: dict[RunKey, list[Halt]] = defaultdict(list)
    for each in happened:
        begin = clock.at(each.at) if each.type.startswith("node_") else 0
        if each.type == "node_retrying":
            over = begin + int(each.data["delay_ms"] * 1000)
            halts[each.run].append(Halt(PathSpan(begin, min(over, now)), "retry_delay"))
        elif each.type == "node_waiting" and each.data.get("kind") != "retry":
            over = _over(each.data, resolved, clock, now)
            halts[each.run].append(Halt(PathSpan(begin, over), "wait", each.data.get("kind") or "time"))
        elif each.type == "node_started" and (known := halts[each.run]) and known[-1].kind == "retry_delay":
            known.append(Halt(PathSpan(known[-1].span.end, begin), "turn"))
    return halts


def _over(data: Mapping[str, Any], resolved: Mapping[str, datetime], clock: _Clock, now: int) -> int:
    """Return when a wait was over: resolved, or its time had come."""
    if data.get("wait"):
        at = resolved.get(data["wait"])
        return now if at is None else clock.at(at)
    return min(now, clock.at(datetime.fromisoformat(data["until"]))) if data.get("until") else now


def _before_start(execution: Execution, clock: _Clock, started: int) -> Iterator[Interruption]:
    """Yield what an execution was queued for: first the limits, then a worker."""
    admitted = started
    # A later admission, after a wait, has replaced the first.
    if execution.admitted_at is not None and clock.at(execution.admitted_at) <= started:
        admitted = max(0, clock.at(execution.admitted_at))
        yield Interruption(PathSpan(0, admitted), "admission")
        yield Interruption(PathSpan(admitted, started), "queue")
    else:
        yield Interruption(PathSpan(0, started), "queue" if execution.started_at else "admission")


def _interruptions(happened: Iterable[_Event], clock: _Clock, now: int) -> Iterator[Interruption]:
    """Yield the times in which no node could run: paused, without a worker after all had waited, or recovered."""
    since: tuple[int, paths.Kind] | None = None
    for each in happened:
        at = clock.at(each.at)
        if each.type in {"waiting", "paused"}:
            if since is not None:
                yield Interruption(PathSpan(since[0], at), since[1])
            since = (at, "paused" if each.type == "paused" else "queue")
        elif each.type == "resumed" and since is not None:
            yield Interruption(PathSpan(since[0], at), since[1])
            since = None
        elif each.type == "recovered" and each.before is not None:
            yield Interruption(PathSpan(clock.at(each.before), at), "recovery")
    if since is not None:
        yield Interruption(PathSpan(since[0], now), since[1])


def segment_data(segment: PathSegment) -> dict[str, Any]:
    """Return a segment as JSON; what does not apply is left out."""
    data: dict[str, Any] = {"kind": segment.kind, "ms": segment.microseconds / 1000}
    if segment.wait:
        data["wait"] = segment.wait
    if segment.run is not None:
        data["node"] = segment.run[0]
        if segment.runs == 1:
            data["run_index"] = segment.run[1]
    if segment.runs > 1:
        data["segments"] = segment.runs
    return data


def shown_data(shown: ShownPath) -> dict[str, Any]:
    """Return where a path runs as JSON."""
    return {
        "from_ms": shown.from_ms,
        "to_ms": shown.to_ms,
        "bucket_ms": shown.bucket_ms,
        "stretches": [
            {
                "node": each.run[0],
                "from_ms": (each.span.begin - shown.zero) / 1000,
                "to_ms": (each.span.end - shown.zero) / 1000,
            }
            for each in shown.stretches
        ],
    }

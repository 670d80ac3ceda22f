"""What an execution waited for, from its start to its end: the chain of node runs of which each one began when the one
before it had ended. Pure.

The chain is found backwards from the end, by the inputs of the node runs. Its segments follow each other without a gap,
so their lengths add up to the time from queueing to the end. Times are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["admission", "queue", "run", "wait", "retry_delay", "turn", "paused", "recovery"]
"""admission: the limits held it back. queue: no worker had taken it. run: a node ran. wait: a node waited for what
`wait` says. retry_delay: the delay before a further attempt. turn: ready, and the worker was busy with another turn.
paused: someone paused it. recovery: its worker was lost or stopped, until another continued."""

RunKey = tuple[str, int]
"""A node's id and a run index."""


@dataclass(frozen=True, slots=True)
class PathSpan:
    """A time range."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Interruption:
    """A time in which no node could run, and why. Waits and retry delays go on in it."""

    span: PathSpan
    kind: Kind


@dataclass(frozen=True, slots=True)
class Halt:
    """A time in which a node run waited or its retry was delayed."""

    span: PathSpan
    kind: Kind
    wait: str = ""


@dataclass(slots=True)
class PathRun:
    """A node run, for the critical path."""

    key: RunKey
    begin: int
    end: int
    after: Sequence[RunKey] = ()
    """The node runs that it needed: those that its items come from, and skipped ones that it waited for."""
    halts: Sequence[Halt] = ()
    """In order of time."""


@dataclass(frozen=True, slots=True)
class PathSegment:
    """A part of the critical path."""

    kind: Kind
    microseconds: int
    run: RunKey | None = None
    wait: str = ""
    runs: int = 1
    """How many segments it sums up."""


@dataclass(frozen=True, slots=True)
class PathStretch:
    """A time in which the path ran through one node run."""

    run: RunKey
    span: PathSpan


@dataclass(slots=True)
class CriticalPath:
    """The critical path of an execution, and the slack of each node."""

    segments: list[PathSegment] = field(default_factory=list)
    slack: dict[str, int] = field(default_factory=dict)
    """How much longer each node could have taken, in each of its runs, without a later end of the execution."""


def critical_path(
    whole: PathSpan, runs: Sequence[PathRun], interruptions: Sequence[Interruption], started: int
) -> CriticalPath:
    """Return the critical path of an execution that was queued and ended within `whole`, and whose first node could run
    at `started`. The interruptions are in order of time."""
    known = {run.key: run for run in runs}
    ready = {run.key: _ready(run, known, started) for run in runs}
    parts: list[tuple[PathSpan, Kind, RunKey | None, str]] = []
    end = whole.end
    for run in _chain(runs, known):
        parts.append((PathSpan(min(run.end, end), end), "turn", None, ""))
        end = min(run.end, end)
        parts += [(span, kind, run.key, wait) for span, kind, wait in reversed(list(_within(run, end)))]
        end = min(run.begin, end)
        moment = min(ready[run.key], end)
        parts.append((PathSpan(moment, end), "turn", run.key, ""))
        end = moment
    parts.append((PathSpan(whole.begin, end), "turn", None, ""))
    return CriticalPath(list(_segments(reversed(parts), interruptions)), _slack(runs, known, ready))


def folded(segments: Iterable[PathSegment]) -> list[PathSegment]:
    """Return the segments with those of the same kind and node added up, in the order of the first ones."""
    sums: dict[tuple[Kind, str | None, str], PathSegment] = {}
    for each in segments:
        key = (each.kind, each.run[0] if each.run else None, each.wait)
        if (known := sums.get(key)) is not None:
            each = PathSegment(
                each.kind, known.microseconds + each.microseconds, known.run, each.wait, known.runs + each.runs
            )
        sums[key] = each
    return list(sums.values())


def stretches(segments: Iterable[PathSegment], window: PathSpan) -> list[PathStretch]:
    """Return where in a window the path runs through which node run. Times count from the first segment."""
    found: list[PathStretch] = []
    at = 0
    for each in segments:
        begin, at = at, at + each.microseconds
        if each.run is None or at < window.begin or begin > window.end:
            continue
        if found and found[-1].run == each.run and found[-1].span.end == begin:
            begin = found.pop().span.begin
        found.append(PathStretch(each.run, PathSpan(begin, at)))
    return found


def in_buckets(found: Iterable[PathStretch], window: PathSpan, length: int) -> list[PathStretch]:
    """Return the stretches of each node as whole buckets of the window, adjacent ones as one, in the order of time."""
    most = max(0, window.end - window.begin - 1) // length
    joined: dict[str, list[list[int]]] = {}
    for each in found:
        first = max(0, (each.span.begin - window.begin) // length)
        last = min(most, max(first, (each.span.end - 1 - window.begin) // length))
        of_node = joined.setdefault(each.run[0], [])
        if of_node and first <= of_node[-1][1] + 1:
            of_node[-1][1] = max(last, of_node[-1][1])
        else:
            of_node.append([first, last])
    made = [
        PathStretch((node, 0), PathSpan(window.begin + first * length, window.begin + (last + 1) * length))
        for node, ranges in joined.items()
        for first, last in ranges
    ]
    return sorted(made, key=lambda each: (each.span.begin, each.run))


def _ready(run: PathRun, known: Mapping[RunKey, PathRun], started: int) -> int:
    """Return when the last node run that it needed had ended."""
    ends = (known[key].end for key in run.after if key in known)
    return min(run.begin, max(ends, default=started))


def _chain(runs: Sequence[PathRun], known: Mapping[RunKey, PathRun]) -> Iterator[PathRun]:
    """Yield the node runs of the path, the last one first."""
    run = max(runs, key=lambda each: (each.end, each.begin), default=None)
    seen: set[RunKey] = set()
    while run is not None and run.key not in seen:
        seen.add(run.key)
        yield run
        needed = [known[key] for key in run.after if key in known]
        run = max(needed, key=lambda each: (each.end, each.begin), default=None)


def _within(run: PathRun, end: int) -> Iterator[tuple[PathSpan, Kind, str]]:
    """Yield the parts of a node run, up to `end`: its halts, and what is between them."""
    at = min(run.begin, end)
    for halt in run.halts:
        begin = max(at, min(halt.span.begin, end))
        over = max(begin, min(halt.span.end, end))  # a wait can be over before it is recorded
        yield PathSpan(at, begin), "run", ""
        yield PathSpan(begin, over), halt.kind, halt.wait
        at = over
    yield PathSpan(at, end), "run", ""


def _segments(
    parts: Iterable[tuple[PathSpan, Kind, RunKey | None, str]], interruptions: Sequence[Interruption]
) -> Iterator[PathSegment]:
    """Yield the parts that have a length, cut at interruptions."""
    index = 0
    for span, kind, run, wait in parts:
        while index < len(interruptions) and interruptions[index].span.end <= span.begin:
            index += 1
        if kind in {"wait", "retry_delay"}:
            if span.end > span.begin:
                yield PathSegment(kind, span.end - span.begin, run, wait)
            continue
        at, following = span.begin, index
        while at < span.end:
            cut = interruptions[following] if following < len(interruptions) else None
            if cut is None or cut.span.begin >= span.end:
                yield PathSegment(kind, span.end - at, run)
                break
            if cut.span.begin > at:
                yield PathSegment(kind, cut.span.begin - at, run)
            until = min(span.end, cut.span.end)
            if until > max(at, cut.span.begin):
                yield PathSegment(cut.kind, until - max(at, cut.span.begin), run if kind == "run" else None)
            at, following = max(at, until), following + 1


def _slack(runs: Sequence[PathRun], known: Mapping[RunKey, PathRun], ready: Mapping[RunKey, int]) -> dict[str, int]:
    last = max((run.end for run in runs), default=0)
    of_runs = {run.key: last - run.end for run in runs}
    of_nodes: dict[str, int] = {}
    # Of runs that began and ended at the same moment, the later ones need the others.
    in_order = sorted(runs, key=lambda each: (each.end, each.begin))
    for run in reversed(in_order):
        own = of_runs[run.key]
        for key in run.after:
            if (needed := known.get(key)) is not None:
                of_runs[key] = min(of_runs[key], max(0, own + ready[run.key] - needed.end))
        of_nodes[run.key[0]] = min(own, of_nodes.get(run.key[0], own))
    return of_nodes

"""The node runs of one execution as tracing sees them: where their input items are from, in the order of time. Pure."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from executions.domain.lineage import Lineage

RunKey = tuple[str, int]
"""(node id, run_index)"""
ENTRY = -1
"""The run_index of items that entered the execution at a node: its input, or the edited input of a rerun."""


@dataclass(frozen=True, slots=True)
class Source:
    """The output of a node run that a node run received, with the number of its items."""

    run: RunKey
    output: str
    count: int


@dataclass(slots=True)
class Line:
    """The input items of a node run, numbered over its sources. An open loop adds those of each iteration."""

    sources: list[Source] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """For each source, the number after that of its last item."""

    def add(self, sources: Iterable[Source]) -> None:
        """Continue the line."""
        end = self.ends[-1] if self.ends else 0
        for source in sources:
            end += source.count
            self.sources.append(source)
            self.ends.append(end)


@dataclass(slots=True)
class RecordedRun:
    """A node run: its input items, and the origins of its output once it has ended."""

    key: RunKey
    place: int
    """Its position in the order of time: a run comes after those whose items it received."""
    line: Line
    first: int
    """The number of the first item that this run received; not 0 for later iterations of a loop."""
    segments: int
    """How many sources of the line are its own or of earlier iterations."""
    lineage: Lineage | None = None

    @property
    def count(self) -> int:
        """Return how many items it can have used: its own, and in a loop those of earlier iterations."""
        return self.line.ends[self.segments - 1] if self.segments else 0

    def begin_of(self, segment: int) -> int:
        """Return the number of the first item of a source."""
        return self.line.ends[segment - 1] if segment else 0

    def segment_of(self, number: int) -> int:
        """Return which source the item with this number is from."""
        return bisect_right(self.line.ends, number, 0, self.segments)

    def locate(self, number: int) -> tuple[Source, int]:
        """Return the source of the item with this number, and the item's index in it."""
        segment = self.segment_of(number)
        return self.line.sources[segment], number - self.begin_of(segment)


class Ancestry:
    """The node runs of one execution. One thread records, others may trace meanwhile."""

    def __init__(self) -> None:
        self.runs: dict[RunKey, RecordedRun] = {}
        self.lock = threading.Lock()
        """Held while a trace is made: traces share what they find."""
        self._open: dict[str, Line] = {}
        """The lines of the nodes with a run that has not ended, or with an open loop."""

    def began(self, key: RunKey, sources: Iterable[Source]) -> None:
        """Record a node run that received these items, or an iteration of an open loop."""
        line = self._open.setdefault(key[0], Line())
        first = line.ends[-1] if line.ends else 0
        line.add(sources)
        self.runs[key] = RecordedRun(key, len(self.runs), line, first, len(line.sources))

    def replaced(self, key: RunKey, sources: Iterable[Source]) -> None:
        """Record that a node run goes on with other items than it received."""
        run = self.runs[key]
        own = bisect_right(run.line.ends, run.first, 0, run.segments) if run.first else 0
        line = Line()
        line.add(run.line.sources[:own])
        line.add(sources)
        run.line, run.segments = line, len(line.sources)
        if key[0] in self._open:
            self._open[key[0]] = line

    def ended(self, key: RunKey, lineage: Lineage | None, *, keep_open: bool = False) -> None:
        """Record the origins of the output of a node run."""
        run = self.runs.get(key)
        if run is not None and run.segments:  # a result from the cache has no input items
            run.lineage = lineage
        if not keep_open:
            self._open.pop(key[0], None)

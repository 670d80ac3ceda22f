"""Which items of an execution's input the items of its result came from, so that lineage passes through it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from executions.domain.ancestry import ENTRY, Ancestry, Line, RecordedRun, RunKey, Source
from executions.domain.lineage import MAX_ORIGINS, Origin, Origins, compact, origin_of
from executions.domain.tracing import NOWHERE, Trace

MAX_STEPS = MAX_ORIGINS
"""The most items to look at for items that came from several."""


def origins_in_input(ancestry: Ancestry, outputs: Sequence[Source]) -> Origins | None:
    """Return the origins, in the execution's input, of the items of these outputs one after the other; None if they are
    unknown."""
    return _Search(ancestry).origins(outputs)


class _Search:
    """Looks for the input items that items came from."""

    def __init__(self, ancestry: Ancestry) -> None:
        self._ancestry, self._trace = ancestry, Trace(ancestry, None)
        self._left = MAX_STEPS

    def origins(self, outputs: Sequence[Source]) -> Origins | None:
        """Return the origins of the outputs' items; None if they are unknown."""
        line = Line()
        line.add(outputs)
        viewer = RecordedRun(("", 0), len(self._ancestry.runs), line, 0, len(outputs))
        codes = self._trace.origins(viewer, range(viewer.count))
        origins = [self._origin(*viewer.locate(number), code) for number, code in enumerate(codes)]
        if any(origin is None for origin in origins):
            return None if all(origin is None for origin in origins) else origins
        return compact(origins, self._input_items())

    def _origin(self, output: Source, index: int, code: int) -> Origin:
        if code >= 0:
            return self._trace.item(code)[2]
        return [] if code == NOWHERE else self._all(output.run, output.output, index)

    def _all(self, key: RunKey, output: str, index: int) -> list[int] | None:
        """Return the numbers of all input items that an item came from; None if unknown or too many to look at."""
        found, seen, to_visit = set[int](), set[tuple[RunKey, str, int]](), [(key, output, index)]
        while to_visit:
            item = to_visit.pop()
            if item in seen:
                continue
            seen.add(item)
            self._left -= 1
            if item[0][1] == ENTRY:
                found.add(item[2])
                continue
            run = self._ancestry.runs.get(item[0])
            numbers = origin_of((run.lineage or {}).get(item[1]), item[2]) if run else None
            if run is None or numbers is None or self._left < len(numbers):
                return None
            for number in numbers:
                source, at = run.locate(number)
                to_visit.append((source.run, source.output, at))
        return sorted(found)

    def _input_items(self) -> int:
        """Return the number of items with which the execution began."""
        for run in self._ancestry.runs.values():
            for source in run.line.sources[:1]:
                if source.run[1] == ENTRY:
                    return source.count
        return -1

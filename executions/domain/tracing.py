"""Which item of a node an item came from. Pure.

Two passes over the node runs, without recursion: back in time to collect which items are asked for, then forward to
answer for each. An output whose items all came from the input item of the same number passes both by reference.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal, Protocol

from executions.domain.ancestry import ENTRY, Ancestry, RecordedRun, RunKey, Source
from executions.domain.lineage import Origin, Origins

NOWHERE = -1
"""The code of an item that came from no item of the node. A smaller code is a failure, any other an item."""
MAX_KNOWN = 1_000_000
"""Answers of a trace that are kept for later questions."""


class Codes(Protocol):
    """The answers for the items of an output, by index."""

    def __getitem__(self, index: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it cannot be told which item it was: a node does not say, or combined several."""

    kind: Literal["unknown", "several"]
    node: str


@dataclass(frozen=True, slots=True)
class _Constant:
    """One answer for every item."""

    code: int

    def __getitem__(self, index: int, /) -> int:
        return self.code


@dataclass(slots=True)
class _Question:
    """The items of an output that are asked for."""

    count: int
    everything: bool = False
    parts: list[Sequence[int]] = field(default_factory=list)

    def add(self, numbers: Sequence[int]) -> None:
        self.everything = self.everything or len(numbers) == self.count
        self.parts.append(numbers)

    def numbers(self) -> Sequence[int]:
        """Return the indexes, each once, in order."""
        if self.everything:
            return range(self.count)
        return self.parts[0] if len(self.parts) == 1 else sorted({n for part in self.parts for n in part})


_Output = tuple[RunKey, str]


class Trace:
    """Finds the items of one node, by default those that entered the execution, that other items came from."""

    def __init__(self, ancestry: Ancestry, node: str | None) -> None:
        self._ancestry, self._node = ancestry, node
        self._begins: list[int] = []
        self._outputs: list[_Output] = []
        """The outputs of the node whose items have codes, and the code of the first item of each."""
        self._begin_of: dict[_Output, int] = {}
        self._next = 0
        self.failures: list[Failure] = []
        self._failure_codes: dict[Failure, int] = {}
        self._known: dict[_Output, Codes] = {}
        """Answers for whole outputs, so that a later question goes back no further."""
        self._known_size = 0
        self._found: dict[_Output, Codes] = {}
        self._questions: dict[int, dict[str, _Question]] = {}
        self._to_visit: list[tuple[int, RunKey]] = []

    def origins(self, run: RecordedRun, numbers: range) -> Sequence[int]:
        """Return the code of each of these input items of a node run."""
        with self._ancestry.lock:
            self._ask_line(run, numbers)
            for each, questions in reversed(self._collect()):
                for output, question in questions.items():
                    self._answer(each, output, question)
            codes = self._line(run)
            found = codes if isinstance(codes, range) else [codes[number] for number in numbers]
            self._found = {}
            if self._known_size > MAX_KNOWN:
                self._known, self._known_size = {}, 0
        return found[numbers.start : numbers.stop] if isinstance(found, range) else found

    def item(self, code: int) -> tuple[RunKey, str, int]:
        """Return the node run, the output and the index of the item with this code."""
        place = bisect_right(self._begins, code) - 1
        return *self._outputs[place], code - self._begins[place]

    def failure(self, code: int) -> Failure | None:
        """Return the failure with this code; None for NOWHERE."""
        return self.failures[-2 - code] if code < NOWHERE else None

    # --- back in time: what is asked for ---------------------------------------------------------------------------

    def _collect(self) -> list[tuple[RecordedRun, dict[str, _Question]]]:
        """Pass all questions on to the sources. Returns them by node run, the latest first."""
        asked = []
        while self._to_visit:
            _, key = heappop(self._to_visit)
            run = self._ancestry.runs[key]
            questions = self._questions.pop(run.place)
            asked.append((run, questions))
            for output, question in questions.items():
                self._pass_on(run, _origins(run, output), question)
        return asked

    def _pass_on(self, run: RecordedRun, origins: Origins | None, question: _Question) -> None:
        if origins is None:
            self._ask_line(run, range(run.count))
        elif isinstance(origins, str):
            self._ask_line(run, question.numbers())
        else:
            wanted: Iterable[Origin] = origins if question.everything else [origins[n] for n in question.numbers()]
            numbers = set[int]()
            for origin in wanted:
                if type(origin) is int:
                    numbers.add(origin)
                elif isinstance(origin, list):
                    numbers.update(origin)
                else:
                    return self._ask_line(run, range(run.count))
            whole = len(numbers) == run.count
            self._ask_line(run, range(run.count) if whole else sorted(numbers))
        return None

    def _ask_line(self, run: RecordedRun, numbers: Sequence[int]) -> None:
        """Ask the sources of a node run for the input items with these numbers, each once and in order."""
        sources = run.line.sources
        if run.segments == 1:
            return self._ask(run, sources[0], numbers)
        at = 0
        while at < len(numbers):
            segment = run.segment_of(numbers[at])
            begin, end = run.begin_of(segment), run.line.ends[segment]
            stop = bisect_right(numbers, end - 1, at)
            self._ask(run, sources[segment], _shifted(numbers[at:stop], begin))
            at = stop
        return None

    def _ask(self, run: RecordedRun, source: Source, numbers: Sequence[int]) -> None:
        key = source.run
        if key[1] == ENTRY or key[0] == self._node or (key, source.output) in self._known or not numbers:
            return
        record = self._ancestry.runs.get(key)
        if record is None or record.place >= run.place:
            return
        questions = self._questions.get(record.place)
        if questions is None:
            questions = self._questions[record.place] = {}
            heappush(self._to_visit, (-record.place, key))
        questions.setdefault(source.output, _Question(source.count)).add(numbers)

    # --- forward: the answers --------------------------------------------------------------------------------------

    def _answer(self, run: RecordedRun, output: str, question: _Question) -> None:
        origins, codes = _origins(run, output), self._line(run)
        answer: Codes
        if origins is None:
            answer = _Constant(self._of_any(run))
        elif isinstance(origins, str):
            answer = codes if run.segments == 1 else self._copied(run, codes, question)
        elif question.everything:
            answer = [codes[o] if type(o) is int else self._of_several(run, codes, o) for o in origins]
            self._known_size += len(answer)
        else:
            answer = {
                n: codes[o] if type(o := origins[n]) is int else self._of_several(run, codes, o)
                for n in question.numbers()
            }
        if question.everything:
            self._known[run.key, output] = answer
            self._known_size += 1
        else:
            self._found[run.key, output] = answer

    def _copied(self, run: RecordedRun, codes: Codes, question: _Question) -> Codes:
        """Return the answers of a line of several sources: copied, so that views of views do not pile up."""
        if question.everything:
            self._known_size += question.count
            return [codes[number] for number in range(question.count)]
        return {number: codes[number] for number in question.numbers()}

    def _of_several(self, run: RecordedRun, codes: Codes, origin: Origin) -> int:
        """Return the code of an item that came from several items, or whose origin is unknown."""
        if not isinstance(origin, list):
            return self._of_any(run)
        found = {codes[number] for number in origin}
        found.discard(NOWHERE)
        if not found:
            return NOWHERE
        if (least := min(found)) < NOWHERE:
            return least
        return found.pop() if len(found) == 1 else self._fail("several", run)

    def _of_any(self, run: RecordedRun) -> int:
        """Return the code of an item that may have come from any input item of the run."""
        found = set[int]()
        for source in run.line.sources[: run.segments]:
            codes = self._source(run, source)
            if isinstance(codes, _Constant):
                found.add(codes.code)
            else:
                found.update(codes[number] for number in range(min(source.count, 2)))
                if len(found) < 2:
                    found.update(codes[number] for number in range(source.count))
            if len(found) > 1:
                failures = [code for code in found if code < NOWHERE]
                return failures[0] if failures else self._fail("unknown", run)
        return found.pop() if found else NOWHERE

    def _fail(self, kind: Literal["unknown", "several"], run: RecordedRun) -> int:
        failure = Failure(kind, run.key[0])
        if failure not in self._failure_codes:
            self.failures.append(failure)
            self._failure_codes[failure] = NOWHERE - len(self.failures)
        return self._failure_codes[failure]

    def _line(self, run: RecordedRun) -> Codes:
        """Return the codes of the input items of a node run, as far as they were asked for."""
        if run.segments == 1:
            return self._source(run, run.line.sources[0])
        return _LineCodes(self, run)

    def _source(self, run: RecordedRun, source: Source) -> Codes:
        key, output = source.run, (source.run, source.output)
        if key[1] == ENTRY:
            return self._targets(output, source.count) if self._node is None else _Constant(NOWHERE)
        if key[0] == self._node:
            return self._targets(output, source.count)
        found = self._known.get(output)
        if found is None:
            found = self._found.get(output)
        return _Constant(self._fail("unknown", run)) if found is None else found

    def _targets(self, output: _Output, count: int) -> range:
        """Return the codes of the items of an output of the node that is looked for."""
        begin = self._begin_of.get(output)
        if begin is None:
            begin = self._begin_of[output] = self._next
            self._begins.append(begin)
            self._outputs.append(output)
            self._next += count
        return range(begin, begin + count)


class Traces:
    """The traces of one execution, by the node that they look for."""

    def __init__(self, ancestry: Ancestry) -> None:
        self.ancestry = ancestry
        self._traces: dict[str, Trace] = {}

    def to(self, node: str) -> Trace:
        """Return the trace to the items of a node."""
        return self._traces.setdefault(node, Trace(self.ancestry, node))


class _LineCodes:
    """The codes of the input items of a node run with several sources."""

    __slots__ = ("_begin", "_codes", "_end", "_run", "_trace")

    def __init__(self, trace: Trace, run: RecordedRun) -> None:
        self._trace, self._run = trace, run
        self._begin = self._end = 0
        self._codes: Codes = ()

    def __getitem__(self, number: int, /) -> int:
        if not self._begin <= number < self._end:
            segment = self._run.segment_of(number)
            self._begin, self._end = self._run.begin_of(segment), self._run.line.ends[segment]
            self._codes = self._trace._source(self._run, self._run.line.sources[segment])
        return self._codes[number - self._begin]


def _origins(run: RecordedRun, output: str) -> Origins | None:
    return run.lineage.get(output) if run.lineage else None


def _shifted(numbers: Sequence[int], begin: int) -> Sequence[int]:
    if isinstance(numbers, range):
        return range(numbers.start - begin, numbers.stop - begin)
    return [number - begin for number in numbers] if begin else numbers

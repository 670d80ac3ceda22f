"""Where items came from, and where they went, from one node run to the next, as the API shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from executions.domain.ancestry import ENTRY, Line, RecordedRun, RunKey
from executions.domain.lineage import SAME, Origins, origin_of
from executions.domain.stored_ancestry import StoredRun, sources_of


class ItemLink(TypedDict):
    """An item of an output of a node run. As a destination, `output` and `item` are None if the node does not tell
    which of its items came from the item."""

    node: str
    run_index: int
    output: str | None
    item: int | None


@dataclass(slots=True)
class Links:
    """The links of the items of an output: lists that are cut when `room` is used up, and how long they are."""

    room: int
    lists: dict[str, list[list[ItemLink] | None]] = field(default_factory=dict)
    """By output, for each item; None: unknown."""
    totals: dict[str, list[int | None]] = field(default_factory=dict)

    def begin(self, output: str, windows: range) -> None:
        """Begin an output with items that have no links."""
        self.lists[output] = [[] for _ in windows]
        self.totals[output] = [0 for _ in windows]

    def unknown(self, output: str, place: int) -> None:
        """Note that the links of an item are unknown."""
        self.lists[output][place] = self.totals[output][place] = None

    def add(self, output: str, place: int, node: str, run_index: int, of: str | None, item: int | None) -> None:
        """Add a link to an item."""
        links, total = self.lists[output][place], self.totals[output][place]
        if links is None or total is None:
            return
        self.totals[output][place] = total + 1
        if self.room > 0:
            self.room -= 1
            links.append({"node": node, "run_index": run_index, "output": of, "item": item})


def lines_of(runs: Iterable[StoredRun]) -> Iterator[tuple[StoredRun, Line | None]]:
    """Yield the runs of one node, in order, each with the line of its input items so far; None if it is not known."""
    line: Line | None = Line()
    for run in runs:
        sources = sources_of(run.inputs)
        if line is not None and sources is not None:
            line.add(sources)
        else:
            line = None
        yield run, line
        if not run.keep_open:
            line = Line()


def origins_of(run: StoredRun, line: Line | None, windows: Mapping[str, range], links: Links) -> Links:
    """Return where the items of a node run came from: those with an index in the window of their output.

    Items that entered the execution at the node came from no item of a node: their lists are empty.
    """
    record = None if line is None else RecordedRun(run.key, 0, line, 0, len(line.sources))
    for output, window in windows.items():
        links.begin(output, window)
        known = (run.lineage or {}).get(output)
        for place, index in enumerate(window):
            numbers = origin_of(known, index)
            if numbers is None or record is None:
                links.unknown(output, place)
                continue
            for number in numbers if record.segments else ():
                source, item = record.locate(number)
                if source.run[1] != ENTRY:
                    links.add(output, place, *source.run, source.output, item)
    return links


def consumers_of(key: RunKey, runs: Iterable[StoredRun]) -> Iterator[tuple[StoredRun, Line]]:
    """Yield the runs of one node that used the items of a node run, each with the line of its input items: those that
    received them, and the later iterations of a loop that did."""
    for run, line in lines_of(runs):
        if line is not None and any(source.run == key for source in line.sources):
            yield run, line


def destinations_of(
    key: RunKey, consumers: Iterable[tuple[StoredRun, Line]], windows: Mapping[str, range], links: Links
) -> Links:
    """Return where the items of a node run went: the items of `consumers` that were made of them."""
    for output, window in windows.items():
        links.begin(output, window)
    for run, line in consumers:
        used = _used(key, line, windows)
        outputs = run.lineage or {}
        for name, origins in outputs.items():
            for index, number in _pairs(origins, used):
                output, place = used[number]
                links.add(output, place, *run.key, name, index)
        if not outputs and not run.keep_open:
            for output, place in used.values():
                links.add(output, place, *run.key, None, None)
    return links


def _used(key: RunKey, line: Line, windows: Mapping[str, range]) -> dict[int, tuple[str, int]]:
    """Return, by its number in the line, the output and the place of each item in a window."""
    used, begin = dict[int, tuple[str, int]](), 0
    for source, end in zip(line.sources, line.ends, strict=True):
        if source.run == key and source.output in windows:
            for place, index in enumerate(windows[source.output]):
                used[begin + index] = source.output, place
        begin = end
    return used


def _pairs(origins: Origins, used: Mapping[int, object]) -> Iterator[tuple[int, int]]:
    """Yield the index of each output item that came from one of the numbers, with the number."""
    if isinstance(origins, str):
        assert origins == SAME
        yield from ((number, number) for number in used)
        return
    for index, origin in enumerate(origins):
        if isinstance(origin, int):
            if origin in used:
                yield index, origin
        elif origin is not None:
            yield from ((index, number) for number in origin if number in used)

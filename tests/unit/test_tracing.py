"""Which item of a node an item came from: against a slow reference that tags items, and at size."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executions.domain.ancestry import ENTRY, Ancestry, RunKey, Source
from executions.domain.input_origins import origins_in_input
from executions.domain.lineage import SAME, Lineage, Origin, compact, origin_of
from executions.domain.tracing import NOWHERE, Trace

Tag = tuple[RunKey, str, int]


@dataclass
class Tagged:
    """An execution whose items know all items that they came from: the slow reference."""

    ancestry: Ancestry = field(default_factory=Ancestry)
    outputs: dict[tuple[RunKey, str], list[frozenset[Tag] | None]] = field(default_factory=dict)
    """For each item, every item of earlier outputs that it came from; None: unknown."""
    runs: dict[str, int] = field(default_factory=dict)

    def run(
        self,
        node: str,
        sources: Sequence[tuple[RunKey, str]],
        lineage: Mapping[str, str | list[Origin]],
        counts: Mapping[str, int],
        *,
        keep_open: bool = False,
        before: Sequence[tuple[RunKey, str]] = (),
    ) -> RunKey:
        """Run a node on the outputs `sources`; a loop has received those of `before` in earlier iterations."""
        key = (node, self.runs.get(node, 0))
        self.runs[node] = key[1] + 1
        self.ancestry.began(key, [Source(*source, len(self.outputs[source])) for source in sources])
        self.ancestry.ended(key, lineage, keep_open=keep_open)  # type: ignore[arg-type]
        line = [tags for source in (*before, *sources) for tags in self.outputs[source]]
        for name, count in counts.items():
            items = list[frozenset[Tag] | None]()
            for index in range(count):
                numbers = origin_of(lineage.get(name), index)  # type: ignore[arg-type]
                tags = self._union([line[n] for n in numbers]) if numbers is not None else None
                items.append((tags or frozenset()) | {(key, name, index)} if tags is not None else None)
            self.outputs[key, name] = items
        return key

    @staticmethod
    def _union(tags: list[frozenset[Tag] | None]) -> frozenset[Tag] | None:
        known = [each for each in tags if each is not None]
        return frozenset().union(*known) if len(known) == len(tags) else None

    def enter(self, node: str, count: int) -> tuple[RunKey, str]:
        """Let items enter at a node."""
        source = ((node, ENTRY), "")
        self.outputs[source] = [frozenset() for _ in range(count)]
        return source


def answers(ancestry: Ancestry, source: Source, node: str) -> list[tuple[RunKey, str, int] | str | None]:
    """Return, for each item of an output, the item of the node: None if there is none, else why it is not known."""
    ancestry.began(("viewer", 0), [source])
    try:
        trace = Trace(ancestry, node)
        found = list[tuple[RunKey, str, int] | str | None]()
        for code in trace.origins(ancestry.runs["viewer", 0], range(source.count)):
            failure = trace.failure(code)
            found.append(failure.kind if failure else None if code == NOWHERE else trace.item(code))
        return found
    finally:
        ancestry.ended(("viewer", 0), None)


def expected(tags: frozenset[Tag], node: str) -> tuple[RunKey, str, int] | str | None:
    """Return the nearest item of the node: those that no other item of the node came from are not asked for."""
    found = [tag for tag in tags if tag[0][0] == node]
    return None if not found else found[0] if len(found) == 1 else "several"


@st.composite
def graphs(draw: st.DrawFn) -> Tagged:
    """Draw an execution of filters, splits, merges, sorts and aggregates in any order."""
    chance, made = random.Random(draw(st.integers(0, 2**32))), Tagged()
    entry = made.enter("node0", draw(st.integers(1, 6)))
    first = made.run("node0", [entry], {"main": SAME}, {"main": len(made.outputs[entry])})
    outputs = [(first, "main")]
    for number in range(1, draw(st.integers(2, 10))):
        kind = chance.choice(["filter", "split", "merge", "sort", "aggregate", "two", "same"])
        sources = [chance.choice(outputs) for _ in range(chance.randint(2, 3) if kind == "merge" else 1)]
        count = sum(len(made.outputs[source]) for source in sources)
        numbers: list[Origin] = list(range(count))
        if kind == "filter":
            numbers = [n for n in numbers if chance.random() < 0.6]
        elif kind == "split":
            numbers = [n for n in numbers for _ in range(chance.randint(0, 3))]
        elif kind == "sort":
            chance.shuffle(numbers)
        elif kind == "aggregate":
            numbers = [[n for n in range(count) if chance.random() < 0.7]]
        elif kind == "two":
            numbers = [[chance.randrange(count), chance.randrange(count)] for _ in range(count)] if count else []
        if not numbers:
            continue
        lineage = {"main": compact(numbers, count)}
        outputs.append((made.run(f"node{number}", sources, lineage, {"main": len(numbers)}), "main"))
    return made


@settings(max_examples=400, deadline=None)
@given(graphs(), st.data())
def test_a_trace_finds_the_item_that_a_tagged_item_carries(made: Tagged, data: st.DataObject) -> None:
    key, output = data.draw(st.sampled_from([each for each in made.outputs if each[0][1] != ENTRY]))
    node = data.draw(st.sampled_from(sorted(made.runs)))
    items = made.outputs[key, output]
    if key[0] == node:
        return
    found = answers(made.ancestry, Source(key, output, len(items)), node)
    assert found == [expected(tags, node) for tags in items if tags is not None]


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_the_lineage_of_a_result_names_every_item_of_the_input(made: Tagged, data: st.DataObject) -> None:
    key, output = data.draw(st.sampled_from([each for each in made.outputs if each[0][1] != ENTRY]))
    items = made.outputs[key, output]
    origins = origins_in_input(made.ancestry, [Source(key, output, len(items))])
    for index, tags in enumerate(items):
        assert tags is not None
        assert set(origin_of(origins, index) or []) == {n for (k, _, n) in tags if k == ("node0", 0)}


def test_items_come_back_to_a_loop_with_their_origin() -> None:
    made = Tagged()
    start = made.run("start", [made.enter("start", 3)], {"main": SAME}, {"main": 3})
    received, source = list[tuple[RunKey, str]](), (start, "main")
    for turn in range(3):
        loop = made.run("loop", [source], {"loop": [turn]}, {"loop": 1}, keep_open=True, before=received)
        received.append(source)
        assert answers(made.ancestry, Source(loop, "loop", 1), "start") == [(start, "main", turn)]
        body = made.run("body", [(loop, "loop")], {"main": SAME}, {"main": 1})
        source = (body, "main")
    done = made.run("loop", [source], {"done": [3, 4, 5]}, {"done": 3}, before=received)
    assert answers(made.ancestry, Source(done, "done", 3), "start") == [(start, "main", n) for n in range(3)]
    assert answers(made.ancestry, Source(done, "done", 3), "body") == [(("body", n), "main", 0) for n in range(3)]
    again = made.run("loop", [(done, "done")], {"loop": [0]}, {"loop": 1}, keep_open=True)
    assert answers(made.ancestry, Source(again, "loop", 1), "start") == [(start, "main", 0)]


def chain(*steps: tuple[str, Lineage, int], items: int = 3) -> tuple[Ancestry, Source]:
    """Run nodes one after the other: the name, the lineage and the number of items of each."""
    ancestry, source = Ancestry(), Source(("start", ENTRY), "", items)
    first: tuple[str, Lineage, int] = ("start", {"main": SAME}, items)
    for name, lineage, count in (first, *steps):
        ancestry.began((name, 0), [source])
        ancestry.ended((name, 0), lineage)
        source = Source((name, 0), "main", count)
    return ancestry, source


@pytest.mark.parametrize(
    ("steps", "items", "answer"),
    [
        ([("code", {}, 1)], 1, (("start", 0), "main", 0)),
        ([("code", {}, 1)], 3, "unknown"),
        ([("code", {"main": [None]}, 1)], 3, "unknown"),
        ([("code", {"main": [[]]}, 1)], 3, None),
        ([("few", {"main": [2]}, 1), ("code", {}, 1)], 3, (("start", 0), "main", 2)),
        ([("all", {"main": [[0, 1, 2]]}, 1)], 3, "several"),
        ([("all", {"main": [[0, 1, 2]]}, 1), ("code", {}, 1)], 3, "several"),
        ([("split", {"main": [1, 1]}, 2), ("all", {"main": [[0, 1]]}, 1)], 3, (("start", 0), "main", 1)),
    ],
)
def test_an_origin_that_is_unknown_or_not_one_is_told(
    steps: list[tuple[str, Lineage, int]], items: int, answer: object
) -> None:
    ancestry, source = chain(*steps, items=items)
    assert answers(ancestry, source, "start") == [answer] * source.count


def test_a_failure_names_the_node_that_broke_the_line() -> None:
    ancestry, source = chain(("code", {}, 3), ("sort", {"main": [2, 1, 0]}, 3), ("more", {}, 3))
    ancestry.began(("viewer", 0), [source])
    trace = Trace(ancestry, "start")
    codes = trace.origins(ancestry.runs["viewer", 0], range(3))
    assert {failure.node for code in codes if (failure := trace.failure(code))} == {"code"}
    assert answers(ancestry, source, "elsewhere") == [None] * 3


N = 100_000


def test_a_hundred_thousand_items_keep_their_origin_through_filter_split_merge_and_sort() -> None:
    chance, made = random.Random(15), Ancestry()
    made.began(("start", 0), [Source(("start", ENTRY), "", N)])
    made.ended(("start", 0), {"main": SAME})
    start = Source(("start", 0), "main", N)
    halves = [n for n in range(N) if n % 2], [n for n in range(N) if not n % 2]
    made.began(("if", 0), [start])
    made.ended(("if", 0), {"true": list(halves[0]), "false": list(halves[1])})
    twice = [n for n in range(N // 2) for _ in range(2)]
    made.began(("split", 0), [Source(("if", 0), "true", N // 2)])
    made.ended(("split", 0), {"main": [*twice]})
    merged = [Source(("if", 0), "false", N // 2), Source(("split", 0), "main", N)]
    made.began(("merge", 0), merged)
    made.ended(("merge", 0), {"main": SAME})
    order = list(range(N + N // 2))
    chance.shuffle(order)
    made.began(("sort", 0), [Source(("merge", 0), "main", len(order))])
    made.ended(("sort", 0), {"main": [*order]})
    values = [*halves[1], *(halves[0][n] for n in twice)]
    found = answers(made, Source(("sort", 0), "main", len(order)), "start")
    assert found == [(("start", 0), "main", values[n]) for n in order]


class Counted(dict[RunKey, object]):
    """The runs of an ancestry, with a count of how often one is looked at."""

    steps = 0

    def __getitem__(self, key: RunKey) -> object:
        self.steps += 1
        return super().__getitem__(key)


def test_each_turn_of_a_long_cycle_costs_a_few_steps() -> None:
    made, source, turns = Ancestry(), Source(("start", ENTRY), "", 2), 3_000
    made.began(("start", 0), [source])
    made.ended(("start", 0), {"main": SAME})
    made.runs = counted = Counted(made.runs)  # type: ignore[assignment]
    source, trace = Source(("start", 0), "main", 2), Trace(made, "start")
    for turn in range(turns):
        for node in ("body", "if"):
            made.began((node, turn), [source])
            codes = trace.origins(made.runs[node, turn], range(2))
            assert [trace.item(code)[2] for code in codes] == ([0, 1] if turn % 2 == 0 else [1, 0])
            made.ended((node, turn), {"main": SAME if node == "body" else [1, 0]})
            source = Source((node, turn), "main", 2)
    assert counted.steps < 10 * turns


def test_a_chain_of_a_thousand_merges_is_traced_without_recursion() -> None:
    made = Tagged()
    start = made.run("start", [made.enter("start", 2)], {"main": SAME}, {"main": 2})
    made.ancestry.began(("m", 0), [Source(start, "main", 1), Source(start, "main", 1)])
    source = Source(start, "main", 2)
    for number in range(1, 3000):
        made.ancestry.began((f"m{number}", 0), [source, Source(start, "main", 0)])
        made.ancestry.ended((f"m{number}", 0), {"main": SAME})
        source = Source((f"m{number}", 0), "main", 2)
    assert answers(made.ancestry, source, "start") == [(start, "main", 0), (start, "main", 1)]

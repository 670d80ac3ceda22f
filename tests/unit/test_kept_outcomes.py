"""When the outcomes of items are written, and what waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from executions.domain.errors import NodeError
from executions.engine.kept_outcomes import KeptOutcomes
from executions.models import ItemOutcome, NodeRun

OUTPUTS = {"main": [{"n": 1}]}


class Writes:
    """What was written, and commits on request."""

    def __init__(self) -> None:
        self.items: list[list[int]] = []
        self.on_commit: list[Callable[[], None]] = []

    def __call__(self, outcomes: list[ItemOutcome], on_commit: Callable[[], None]) -> None:
        self.items.append([outcome.item for outcome in outcomes])
        self.on_commit.append(on_commit)


def keeper(writes: Writes, items: int, *, acts: bool, cancelled: threading.Event | None = None) -> KeptOutcomes:
    cancelled = cancelled or threading.Event()
    return KeptOutcomes(NodeRun(), cancelled, writes, lambda done, failed: None, items, acts=acts)


def test_a_node_that_acts_writes_each_outcome_as_soon_as_it_is_known() -> None:
    writes = Writes()
    kept = keeper(writes, 2, acts=True)
    for index in range(2):
        kept.keep(index, OUTPUTS)
        writes.on_commit.pop()()
        kept.commit()
    assert writes.items == [[0], [1]]


def test_a_node_that_acts_does_not_go_on_before_the_commit() -> None:
    writes, cancelled = Writes(), threading.Event()
    kept = keeper(writes, 2, acts=True, cancelled=cancelled)
    kept.keep(0, OUTPUTS)
    cancelled.set()
    with pytest.raises(NodeError, match="Cancelled"):
        kept.commit()


def test_the_outcome_of_a_single_item_is_left_to_the_output() -> None:
    writes = Writes()
    keeper(writes, 1, acts=True).keep(0, OUTPUTS)
    assert writes.items == []


def test_a_node_that_reads_goes_on_and_writes_what_has_gathered() -> None:
    writes = Writes()
    kept = keeper(writes, 4, acts=False)
    for index in range(3):
        kept.keep(index, OUTPUTS)
        kept.commit()
    writes.on_commit.pop()()
    kept.flush()
    assert writes.items == [[0], [1, 2]]

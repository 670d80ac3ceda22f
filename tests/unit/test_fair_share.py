"""Workspaces take turns on a worker's threads, and none of them can hold all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from executions.engine.fair_share import FairQueue, FairSlots, FairThreadPool
from executions.engine.mailbox import MESSAGES_PER_TURN, Mailbox

SECONDS = 60


def raise_again(error: Exception) -> None:
    raise error


class ByHand:
    """Stands for the threads: the test says when a call is made."""

    def __init__(self) -> None:
        self.line = FairQueue()

    def submit(self, call: Callable[[], object], workspace: Hashable, execution: Hashable = None) -> None:
        self.line.add(call, workspace, execution)

    def make_one(self) -> bool:
        found = self.line.next(lambda workspace: True)
        if found is not None:
            found[0]()
        return found is not None


def test_workspaces_take_turns_and_within_each_its_executions_do() -> None:
    line, made = FairQueue(), list[str]()
    for workspace, execution, count in (("a", "1", 4), ("a", "2", 1), ("b", "3", 2)):
        for number in range(count):
            line.add(lambda name=f"{workspace}{execution}{number}": made.append(name), workspace, execution)  # type: ignore[misc]
    while found := line.next(lambda workspace: True):
        found[0]()
    assert made == ["a10", "b30", "a20", "b31", "a11", "a12", "a13"]


def test_a_workspace_that_may_have_no_place_is_passed_over_and_keeps_its_turn() -> None:
    line, made = FairQueue(), list[str]()
    line.add(lambda: made.append("a"), "a", None)
    line.add(lambda: made.append("b"), "b", None)
    found = line.next(lambda workspace: workspace != "a")
    assert found is not None
    assert found[1] == "b"
    assert line.next(lambda workspace: workspace != "a") is None
    again = line.next(lambda workspace: True)
    assert again is not None
    assert again[1] == "a"


def test_the_last_places_are_for_workspaces_that_hold_few() -> None:
    slots = FairSlots(100)
    while slots.may_take("greedy"):
        slots.take("greedy")
    assert slots.occupied["greedy"] == 80
    others = 0
    while slots.may_take("other"):
        slots.take("other")
        others += 1
    assert others == slots.few == 5
    assert all(slots.may_take(name) for name in ("third", "fourth"))
    slots.release("greedy")
    assert not slots.may_take("greedy")  # what is kept has to be free again first


def test_one_workspace_alone_uses_all_but_what_is_kept() -> None:
    for size in (1, 2, 4, 5, 64):
        slots = FairSlots(size)
        while slots.may_take("only"):
            slots.take("only")
        assert slots.occupied["only"] == size - size // 5


def test_calls_of_another_workspace_are_made_while_one_holds_all_places_that_it_may_have() -> None:
    threads, go_on = FairThreadPool(5, "test"), threading.Event()
    begun = [threading.Event() for _ in range(20)]

    def compute(mine: threading.Event) -> None:
        mine.set()
        go_on.wait(SECONDS)

    for mine in begun:
        threads.submit(lambda mine=mine: compute(mine), "greedy")  # type: ignore[misc]
    assert all(mine.wait(SECONDS) for mine in begun[:4])
    came = threading.Event()
    threads.submit(came.set, "stranger")
    assert came.wait(SECONDS)
    assert not any(mine.is_set() for mine in begun[4:])
    go_on.set()
    assert all(mine.wait(SECONDS) for mine in begun)  # none of those that were put off is forgotten


def test_a_call_that_raises_gives_its_place_back() -> None:
    threads, came = FairThreadPool(1, "test"), threading.Event()

    def fail() -> None:
        raise RuntimeError("on purpose")

    threads.submit(fail, "a")
    threads.submit(came.set, "a")
    assert came.wait(SECONDS)


def test_an_actor_with_many_messages_lets_others_have_their_turns() -> None:
    threads: Any = ByHand()
    busy, other, order = Mailbox(threads, "a", raise_again), Mailbox(threads, "b", raise_again), list[str]()
    for _ in range(3 * MESSAGES_PER_TURN):
        busy.tell(lambda: order.append("busy"))
    other.tell(lambda: order.append("other"))
    while threads.make_one():
        pass
    assert order.index("other") <= MESSAGES_PER_TURN
    assert order.count("busy") == 3 * MESSAGES_PER_TURN
    busy.tell(lambda: order.append("again"))
    assert threads.make_one()
    assert order[-1] == "again"


def test_an_actors_messages_are_handled_in_order_and_never_two_at_once() -> None:
    actor, seen, over = Mailbox(FairThreadPool(4, "test", 1), "a", raise_again), list[int](), threading.Event()
    inside = threading.Lock()

    def message(number: int) -> None:
        assert inside.acquire(blocking=False)
        seen.append(number)
        inside.release()

    for number in range(500):
        actor.tell(lambda number=number: message(number))  # type: ignore[misc]
    actor.tell(over.set)
    assert over.wait(SECONDS)
    assert seen == list(range(500))

"""Few passwords are hashed at a time, few wait, and the rest are refused at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from workflow_platform.core.accounts.hashing import Gate, HashingBusy, preferred
from workflow_platform.installation.embedded import wait_until


def waits(gate: Gate, known: bool = False) -> str:
    try:
        with preferred(known), gate.turn():
            return "hashed"
    except HashingBusy:
        return "busy"


def test_what_does_not_fit_into_the_queue_is_refused_at_once() -> None:
    gate = Gate(at_once=1, queued=2)
    with ThreadPoolExecutor(2) as pool:
        with gate.turn():
            queued = [pool.submit(waits, gate) for _ in range(2)]
            wait_until(lambda: gate._waiting == 2, "Both wait")
            assert waits(gate) == "busy"
        assert [each.result() for each in queued] == ["hashed", "hashed"]
    assert waits(gate) == "hashed"


def test_a_known_device_finds_room_where_others_are_refused() -> None:
    gate = Gate(at_once=1, queued=1)
    with ThreadPoolExecutor(2) as pool:
        with gate.turn():
            stranger = pool.submit(waits, gate)
            wait_until(lambda: gate._waiting == 1, "The stranger waits")
            owner = pool.submit(waits, gate, True)
            wait_until(lambda: gate._waiting == 2, "The owner waits")
            assert waits(gate, True) == "busy"
        assert (stranger.result(), owner.result()) == ("hashed", "hashed")


def test_never_more_run_than_may() -> None:
    gate, running, most, lock = Gate(at_once=2, queued=100), 0, 0, threading.Lock()

    def hash_one(_: int) -> None:
        nonlocal running, most
        with gate.turn():
            with lock:
                running += 1
                most = max(most, running)
            with lock:
                running -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(hash_one, range(200)))
    assert most <= 2


def test_a_failure_gives_the_turn_back() -> None:
    gate = Gate(at_once=1, queued=0)
    with pytest.raises(ZeroDivisionError), gate.turn():
        raise ZeroDivisionError
    assert waits(gate) == "hashed"

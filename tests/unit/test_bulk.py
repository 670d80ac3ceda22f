"""Large changes are written apart, in the order of their execution and in turns by workspace."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from executions.engine.bulk import BATCH_BYTES, BULKY_BYTES, BulkQueue, Submission
from executions.lifecycle import Change, Lease


def lease() -> Lease:
    return Lease(uuid4(), 1, "worker")


def submission(of: Lease, size: int, workspace: str = "one") -> Submission:
    run: Any = SimpleNamespace(output_bytes=size, execution=SimpleNamespace(workspace_id=workspace))
    return Change(of, node_runs=[run]), Future()


def test_a_large_change_waits_for_those_before_it_and_what_follows_waits_for_it() -> None:
    queue, one = BulkQueue(), lease()
    small, large, after = submission(one, 10), submission(one, BULKY_BYTES), submission(one, 10)
    assert not queue.accept(small)
    assert queue.accept(large)
    assert queue.accept(after)
    assert not queue._ready  # `small` is still on its way
    queue.ordinary_done(one)
    assert queue.take() == [large, after]
    late = submission(one, 10)
    assert queue.accept(late)  # the others are being written
    queue.done(one)
    assert queue.take() == [late]
    queue.done(one)
    assert not queue.accept(submission(one, 10))


def test_the_small_changes_of_other_executions_are_not_held_up() -> None:
    queue = BulkQueue()
    assert queue.accept(submission(lease(), BULKY_BYTES))
    assert not queue.accept(submission(lease(), BULKY_BYTES - 1))


def test_workspaces_take_turns() -> None:
    queue, busy = BulkQueue(), [lease() for _ in range(3)]
    for each in busy:
        queue.accept(submission(each, BULKY_BYTES, "busy"))
    other = lease()
    queue.accept(submission(other, BULKY_BYTES, "other"))
    taken = [queue.take()[0][0].lease for _ in range(4)]
    assert taken == [busy[0], other, busy[1], busy[2]]


def test_one_execution_writes_a_bounded_amount_at_a_time() -> None:
    queue, one = BulkQueue(), lease()
    large = [submission(one, BATCH_BYTES // 2) for _ in range(3)] + [submission(one, BATCH_BYTES * 2)]
    for each in large:
        queue.accept(each)
    for expected in (large[:2], large[2:3], large[3:]):
        assert queue.take() == expected
        queue.done(one)

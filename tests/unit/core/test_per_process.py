"""Objects that exist once per process: threads share one, a forked process creates its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from events.bus import after_commit
from events.streaming import publisher
from executions.admission import after_commit as admission_work
from executions.cache import flight, store
from executions.triggers.hooks import intake
from tests.conftest import ROOT
from tests.forking import in_a_fork
from webhooks import dispatcher
from webhooks.sending import sender
from workflow_platform.core.accounts import hashing
from workflow_platform.core.outbound import addresses, connections, watchdog
from workflow_platform.core.per_process import PerLoop, PerProcess
from workflow_platform.core.sandbox import pool
from workflow_platform.installation.embedded import wait_until

HOLDERS: dict[str, tuple[PerProcess[Any], str]] = {
    "after-commit dispatcher": (after_commit._dispatcher, "subscribers"),
    "publisher of live messages": (publisher._publisher, "publisher"),
    "follow-up work": (admission_work._background, "background"),
    "webhook dispatcher": (dispatcher._dispatcher, "webhook dispatch"),
    "webhook sender": (sender.sender, ""),
    "hook intake": (intake._intake, "hook intake"),
    "listener of cached results": (flight._listener, "cache listener"),
    "locks of cached results": (flight._renewals, "cache locks"),
    "limit of waits for cached results": (flight._may_wait, ""),
    "store of cached results": (store.store, ""),
    "watchdog": (watchdog.watchdog, "watchdog"),
    "resolver": (addresses._resolver, ""),
    "idle connections": (connections.idle_connections, ""),
    "gate of password hashes": (hashing.gate, ""),
    "sandbox processes": (pool.sandbox, ""),
}
"""With the name of the thread that each starts, if it starts one at once."""


# --- the holder ------------------------------------------------------------------------------------------------------


def test_the_object_is_created_on_first_use_and_shared_by_all_threads() -> None:
    created: list[object] = []
    go_on = threading.Event()

    def create() -> object:
        assert go_on.wait(60)
        created.append(object())
        return created[-1]

    holder = PerProcess(create)
    assert holder.current is None
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(holder) for _ in range(8)]
        go_on.set()
        assert {each.result() for each in asked} == set(created)
    assert len(created) == 1
    assert holder.current is created[0]


def test_after_an_error_the_next_call_creates_the_object() -> None:
    errors: list[Exception] = [OSError("no threads")]

    def create() -> str:
        if errors:
            raise errors.pop()
        return "created"

    holder = PerProcess(create)
    with pytest.raises(OSError, match="no threads"):
        holder()
    assert holder() == "created"


def test_a_child_creates_its_own_even_if_a_thread_of_the_parent_was_creating_one_at_the_fork() -> None:
    creating, go_on = threading.Event(), threading.Event()
    main = threading.get_ident()

    def create() -> str:
        if threading.get_ident() == main:
            return "in the child"
        creating.set()
        assert go_on.wait(60)
        return "in the parent"

    holder = PerProcess(create)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(holder)
        assert creating.wait(60)
        assert in_a_fork(holder) == "in the child"
        go_on.set()
        assert asked.result(60) == holder() == "in the parent"


def test_a_test_can_use_another_object_which_is_closed_at_the_end() -> None:
    closed: list[str] = []
    holder = PerProcess(lambda: "new", close=closed.append)
    with holder.replaced("given") as used:
        assert used == holder() == "given"
        with holder.replaced():
            assert holder() == "new"
        assert holder() == "given"
    assert holder.current is None
    assert closed == ["new", "given"]
    holder._close = None  # not once more when the tests end


EXITING = """
import os, sys
from workflow_platform.core.per_process import PerProcess
holder = PerProcess(os.getpid, close=lambda pid: print("closed", "own" if pid == os.getpid() else "other", flush=True))
unused = PerProcess(os.getpid, close=lambda pid: print("closed unused", flush=True))
holder()
for uses in (True, False):
    child = os.fork()
    if child == 0:
        if uses:
            holder()
        sys.exit()
    os.waitpid(child, 0)
    print("child ended", flush=True)
"""


def test_at_exit_each_process_closes_the_object_that_it_created_and_no_other() -> None:
    done = subprocess.run([sys.executable, "-c", EXITING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["closed own", "child ended", "child ended", "closed own"]


def test_each_event_loop_has_its_own_object() -> None:
    holder = PerLoop(object)

    async def asked() -> tuple[object, object]:
        return holder(), holder()

    first, second = asyncio.run(asked()), asyncio.run(asked())
    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]
    with pytest.raises(RuntimeError, match="no running event loop"):
        holder()


# --- those who use it ------------------------------------------------------------------------------------------------


@pytest.fixture(params=HOLDERS.values(), ids=HOLDERS)
def used(request: pytest.FixtureRequest) -> Iterator[tuple[PerProcess[Any], str]]:
    holder, thread = request.param
    with ExitStack() as stack:
        if holder.current is None:
            stack.enter_context(holder.replaced())
        yield holder, thread


def test_a_forked_process_creates_its_own(used: tuple[PerProcess[Any], str]) -> None:
    holder, thread = used
    ours = holder()

    def check() -> tuple[bool, bool, bool]:
        empty = holder.current is None
        its_own = holder()
        return empty, its_own is not ours, its_own is holder()

    def threads() -> set[str]:
        before = {each.name for each in threading.enumerate()}
        holder()
        return {each.name for each in threading.enumerate()} - before

    assert in_a_fork(check) == (True, True, True)
    assert ({thread} if thread else set()) <= in_a_fork(threads)
    assert holder() is ours


def test_the_watchdog_of_a_forked_process_ends_calls() -> None:
    watchdog.watchdog()

    def check() -> str | None:
        with watchdog.watchdog().watching(0, None) as watch:
            wait_until(lambda: watch.fired is not None, "The deadline")
            return watch.fired

    assert in_a_fork(check) == "deadline"


def test_a_forked_process_calls_its_after_commit_subscribers() -> None:
    after_commit.hand_over(list)

    def check() -> bool:
        called = threading.Event()
        after_commit.hand_over(lambda: called.set() or [])  # type: ignore[func-returns-value]
        return called.wait(60)

    assert in_a_fork(check)


def test_a_forked_process_does_not_wait_for_password_hashes_of_its_parent(settings: Any) -> None:
    settings.PASSWORD_HASHES_AT_ONCE, settings.PASSWORD_HASHES_QUEUED = 1, 0
    with hashing.gate.replaced(), hashing.gate().turn():

        def check() -> bool:
            with hashing.gate().turn():
                return True

        assert in_a_fork(check)
        with pytest.raises(hashing.HashingBusy), hashing.gate().turn():
            pass


def test_a_forked_process_resolves_names() -> None:
    addresses._resolver().ask("localhost", 80).result(60)
    assert in_a_fork(lambda: bool(addresses._resolver().ask("localhost", 80).result(60)))


def test_a_forked_process_starts_its_own_sandbox_processes() -> None:
    with pool.sandbox.replaced() as ours:
        process = ours._take()
        ours._give_back(process)

        def check() -> tuple[list[int], bool]:
            mine = pool.sandbox()
            before = mine.processes()
            process = mine._take()
            try:
                return before, process.pid not in ours.processes()
            finally:
                process.kill()

        assert in_a_fork(check) == ([], True)
        assert ours.processes()[0] == process.pid
        assert process.alive

"""The result cache's side of Redis: sizes, times, who computes, and what happens when Redis is away or forgets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from executions import cache
from executions.cache import Flight, Hit, ask, flight
from executions.cache.store import PREFIX, Away, Store, lock_ms, store
from workflow_platform.core.redis_server import server
from workflow_platform.installation.embedded import free_port, wait_until

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def empty(settings: Any) -> Iterator[redis.Redis]:
    settings.LEASE_SECONDS = 4  # locks are waited for
    client = redis.Redis.from_url(settings.REDIS_URL)
    forget(client)
    yield client
    forget(client)
    client.close()


def forget(client: redis.Redis) -> None:
    for name in client.scan_iter(f"{PREFIX}*"):
        client.delete(name)


def look(key: str, ttl: int = HOUR) -> Any:
    """Return the answer, and lead no flight."""
    found = store().look("node", key, "token", ttl)
    if found.leads:
        store().release(key, "token", False)
    return found.value


def asked(key: str, cancelled: threading.Event | None = None) -> Hit | Flight:
    return ask("node", key, HOUR, cancelled or threading.Event())


def test_an_answer_comes_back_as_it_was() -> None:
    answer = {"main": [{"a": [1, 2.5, None, "ü"], "long": "x" * 5000}]}
    assert store().put("a", answer, HOUR)
    assert look("a") == answer


def test_the_least_recently_used_answers_leave_first(settings: Any) -> None:
    settings.CACHE_MAX_SIZE = 3
    for key in "abc":
        store().put(key, key, HOUR)
    assert look("a") == "a"
    store().put("d", "d", HOUR)
    assert [look(key) for key in "abcd"] == ["a", None, "c", "d"]
    assert cache.stats().entries == 3


def test_what_has_expired_takes_no_place(settings: Any, empty: redis.Redis) -> None:
    settings.CACHE_MAX_SIZE = 2
    store().put("lasting", 1, HOUR)
    store().put("short", 2, 1)
    wait_until(lambda: not empty.exists(f"{PREFIX}value:short"), "The expiry")
    store().put("third", 3, HOUR)
    assert [look(key) for key in ("lasting", "short", "third")] == [1, None, 3]


def test_who_wants_younger_answers_does_not_get_an_old_one(empty: redis.Redis) -> None:
    store().put("a", 1, HOUR)
    empty.hincrbyfloat(f"{PREFIX}value:a", "at", -5_000)
    assert look("a", 4_000) is None
    assert look("a", 6_000) == 1


def test_an_answer_that_is_too_large_or_no_json_is_not_kept(settings: Any) -> None:
    settings.CACHE_MAX_VALUE_BYTES = 100
    assert not store().put("a", [{"n": n * 7919} for n in range(500)], HOUR)
    assert not store().put("b", {1, 2}, HOUR)
    assert store().put("c", "x" * 5_000, HOUR)  # compressed
    assert (look("a"), look("b")) == (None, None)


def test_an_answer_of_another_version_of_the_platform_is_computed_again(empty: redis.Redis) -> None:
    store().put("a", 1, HOUR)
    empty.hset(f"{PREFIX}value:a", "data", b"?")
    again = asked("a")
    assert isinstance(again, Flight)
    again.resolve(2, keep=True)
    assert look("a") == 2


def test_of_twenty_at_once_one_computes() -> None:
    computed: list[int] = []
    gate = threading.Event()

    def get(number: int) -> Any:
        answer = asked("a")
        if isinstance(answer, Hit):
            return answer.value
        computed.append(number)
        gate.wait(60)
        answer.resolve("computed", keep=True)
        return "computed"

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(get, number) for number in range(20)]
        wait_until(lambda: bool(computed), "The first")
        gate.set()
        assert [answer.result(60) for answer in answers] == ["computed"] * 20
    assert len(computed) == 1
    figures = cache.stats()
    assert (figures.node_hits, figures.node_misses, figures.hit_rate) == (19, 1, 0.95)


def test_after_an_error_those_who_wait_compute_side_by_side() -> None:
    leader = asked("a")
    assert isinstance(leader, Flight)
    together = threading.Barrier(5)

    def get() -> bool:
        answer = asked("a")
        together.wait(60)  # one after the other would never meet here
        assert isinstance(answer, Flight)
        answer.resolve(keep=False)
        return True

    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(get) for _ in range(5)]
        wait_until(lambda: flight._listener().waiting("a") == 5, "Five that wait")
        leader.resolve(keep=False)
        assert all(answer.result(60) for answer in answers)
    assert look("a") is None


def test_a_lock_that_nobody_renews_passes_to_one_who_waits(empty: redis.Redis) -> None:
    empty.set(f"{PREFIX}lock:a", "of a process that died", px=lock_ms())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asked, "a").result(lock_ms() / 1000 + 5)
    assert isinstance(answer, Flight)
    assert answer.token
    answer.resolve(keep=False)


def test_a_long_computation_keeps_its_lock(empty: redis.Redis) -> None:
    leader = asked("a")
    assert isinstance(leader, Flight)
    empty.pexpire(f"{PREFIX}lock:a", lock_ms() // 2)
    wait_until(lambda: int(empty.pttl(f"{PREFIX}lock:a")) > lock_ms() // 2, "The renewal")  # type: ignore[arg-type]
    empty.delete(f"{PREFIX}lock:a")
    wait_until(lambda: bool(empty.exists(f"{PREFIX}lock:a")), "The lock, held again after Redis forgot it")
    leader.resolve("a", keep=True)
    assert not empty.exists(f"{PREFIX}lock:a")


def test_who_is_cancelled_waits_no_longer() -> None:
    leader = asked("a")
    cancelled = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asked, "a", cancelled)
        cancelled.set()
        answer = waiting.result(60)
    assert isinstance(answer, Flight)
    assert answer.token is None
    assert isinstance(leader, Flight)
    leader.resolve(keep=False)


def test_an_answer_outlives_the_loss_of_everything_else(empty: redis.Redis) -> None:
    leader = asked("a")
    forget(empty)
    assert isinstance(leader, Flight)
    leader.resolve("a", keep=True)
    assert look("a") == "a"
    forget(empty)
    assert look("a") is None


def test_without_redis_everything_is_computed(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    caplog.set_level(logging.CRITICAL)
    with store.replaced():
        for _ in range(2):
            answer = asked("a")
            assert isinstance(answer, Flight)
            answer.resolve("a", keep=True)
        assert cache.stats() == cache.CacheStats()
    with pytest.raises(Away):
        Store(server()).stats()

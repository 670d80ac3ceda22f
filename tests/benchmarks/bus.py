"""What subscribers cost: appends with none, with 5,000 that want other types, with 5,000 that want just these events.

Batches of 200 events for 200 streams are appended as the recorder does, each in a transaction of its own. The sides
take turns every few batches, so that a noisy machine disturbs all alike. Then how many calls of subscribers there are
in a second, how fast a durable subscription catches up, and how late it hears of what happens now.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.reporting import Report
from workflow_platform.installation.embedded import wait_until

SUBSCRIBERS = 5_000
STREAMS = BATCH = 200
ROUNDS = 40
OTHER_TYPES = ["workflow.*", "system.*", "execution.progress", "execution.data_flow"]
HISTORY = 50_000
DURABLE = 100


class Sides:
    """Sets of subscribers that are there one at a time."""

    def __init__(self) -> None:
        self.calls = 0

    def hear(self, event: Any) -> None:
        self.calls += 1

    def subscribed(self, name: str) -> list[Any]:
        """Subscribe what a side has."""
        from events import bus

        kwargs: dict[str, dict[str, Any]] = {
            "other types, in the transaction": {"types": OTHER_TYPES, "when": "in_transaction"},
            "other types, after the commit": {"types": OTHER_TYPES},
            "other sources": {"sources": ["somebody.else"], "when": "in_transaction"},
            "these, in the transaction": {"types": ["execution.log"], "when": "in_transaction"},
            "these, after the commit": {"types": ["execution.log"]},
        }
        if name not in kwargs:
            return []
        return [bus.subscribe(self.hear, **kwargs[name]) for _ in range(SUBSCRIBERS)]


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    append = appender()
    for _ in range(10):
        append()
    sides = Sides()
    for name in ("other types, in the transaction", "other types, after the commit", "other sources"):
        with_none, with_them, cpu_ratio = taking_turns(append, sides, name)
        told = {"subscribers": name, "n": SUBSCRIBERS, "writer_cpu_ratio": round(cpu_ratio, 3)}
        report("bus.append_beside_others", "events/s", BATCH / with_them, BATCH / with_none, **told)
        assert sides.calls == 0
    dispatch(append, sides, report)
    durable(append, report)


def appender() -> Callable[[], float]:
    """Return what appends one batch, and returns how long that took."""
    from django.db import transaction

    from events import log
    from tests.recording import make_stream, said

    streams, data = [make_stream("bench") for _ in range(STREAMS)], said("x" * 200)

    def append() -> float:
        began = time.perf_counter()
        with transaction.atomic():
            log.append([log.NewEvent(stream.pk, "execution.log", data, "benchmark") for stream in streams])
        return time.perf_counter() - began

    return append


def taking_turns(append: Callable[[], float], sides: Sides, name: str) -> tuple[float, float, float]:
    """Return the median seconds of a batch with no subscriber, and with a side's; and how the CPU seconds of the writer
    compare, which a noisy machine disturbs less."""
    took: dict[bool, list[float]] = {False: [], True: []}
    cpu: dict[bool, list[float]] = {False: [], True: []}
    for number in range(ROUNDS):
        subscriptions = sides.subscribed(name) if number % 2 else []
        append()
        for _ in range(4):
            used = time.thread_time()
            took[bool(number % 2)].append(append())
            cpu[bool(number % 2)].append(time.thread_time() - used)
        for subscription in subscriptions:
            subscription.cancel()
    cpu_ratio = statistics.median(cpu[True]) / statistics.median(cpu[False])
    return statistics.median(took[False]), statistics.median(took[True]), cpu_ratio


def dispatch(append: Callable[[], float], sides: Sides, report: Report) -> None:
    """Report calls per second where all 5,000 want every event, and what that costs the writer."""
    from events.bus import after_commit

    alone = statistics.median(append() for _ in range(10))
    for name, batches in (("these, in the transaction", 3), ("these, after the commit", 3)):
        subscriptions, sides.calls = sides.subscribed(name), 0
        began = time.perf_counter()
        took = [append() for _ in range(batches)]
        wait_until(after_commit.is_idle, "The subscribers", 120)
        seconds = time.perf_counter() - began - (batches * alone if "in the" in name else 0)
        assert sides.calls == batches * BATCH * SUBSCRIBERS, sides.calls
        report("bus.calls", "1/s", sides.calls / seconds, subscribers=name, n=SUBSCRIBERS, events=batches * BATCH)
        writer = statistics.median(took)
        report("bus.append_heard_by_all", "ms", writer * 1000, alone * 1000, subscribers=name, n=SUBSCRIBERS)
        for subscription in subscriptions:
            subscription.cancel()


def durable(append: Callable[[], float], report: Report) -> None:
    """Report how fast a durable subscription reads what it missed, and how late it hears what happens now."""
    from events import bus

    name = f"bench {time.time():.0f}"
    bus.consume(name, len, once=True)
    for _ in range(HISTORY // BATCH):
        append()
    seen: list[int] = []
    began = time.perf_counter()
    bus.consume(name, lambda events: seen.append(len(events)), batch=1000, once=True)
    report("bus.durable_catches_up", "events/s", sum(seen) / (time.perf_counter() - began), batch=1000)
    assert sum(seen) == HISTORY
    lateness: list[float] = []
    appended_at: list[float] = []
    heard = threading.Event()

    def hear(events: Sequence[Any]) -> None:
        lateness.append(time.perf_counter() - appended_at[-1])
        heard.set()

    stop = threading.Event()
    thread = threading.Thread(
        target=bus.consume, args=(name, hear, ["system.error", "execution.log"]), kwargs={"stop": stop, "batch": 1000}
    )
    thread.start()
    for hinted in (True, False):
        lateness.clear()
        for _ in range(DURABLE // 4):
            time.sleep(random.uniform(0.8, 1.6))  # by then the consumer is back at its slowest pace
            heard.clear()
            if hinted:
                bus.publish("system.error", {"component": "benchmark", "message": "nothing"}, "benchmark")
                appended_at.append(time.perf_counter())
            else:
                append()
                appended_at.append(time.perf_counter())
            assert heard.wait(10)
        what = "with a hint" if hinted else "by the poll alone"
        report("bus.durable_lateness_p50", "ms", statistics.median(lateness) * 1000, how=what)
        report("bus.durable_lateness_max", "ms", max(lateness) * 1000, how=what)
    stop.set()
    thread.join()

"""The resource limits of a worker process. Above the limits of memory or CPU it takes no new work until it recovers.
If the turns of its executions are late, it is *overloaded* (`starving`) and reports that.

Memory is that of the process and its children (`code` nodes), limited by PERF_MAX_MEMORY_MB. CPU is their share of all
cores that they may use, limited by PERF_MAX_CPU_PERCENT: one busy Python process on many cores is below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from events.bus import system_events

logger = logging.getLogger(__name__)

SOURCE = "executions.worker"
WINDOW = 5
"""The number of samples whose median counts, so that short peaks are ignored."""
RELEASE = 0.9
"""The share of a limit that the value must fall below to recover."""
IDLE_FACTOR = 5
"""An idle worker below its limits takes a sample only every so many sample times: each reads all processes."""
RESTART_SAMPLES = 10
"""The number of samples that an idle worker may stay above the memory limit before it is replaced."""


@dataclass(slots=True)
class LimitedMedian:
    """The median of a measurement over a window, compared with its limit, with hysteresis."""

    what: str
    unit: str
    limit: float
    samples: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    above: bool = False

    @property
    def value(self) -> float:
        """Return the median of the window."""
        return statistics.median(self.samples) if self.samples else 0.0

    def take(self, sample: float) -> bool:
        """Take a sample. Returns whether the value crossed the limit."""
        self.samples.append(sample)
        before, full = self.above, len(self.samples) == WINDOW
        self.above = self.value > self.limit * RELEASE if self.above else full and self.value > self.limit
        return self.above is not before


class Pressure:
    """Measures this process in a separate thread.

    `busy` tells whether it has executions; `restart` ends it; `late` returns the delay of turns in seconds since the
    last sample; `report` is called at each sample with whether the worker is overloaded.
    """

    def __init__(
        self,
        component: str,
        busy: Callable[[], bool],
        restart: Callable[[], None],
        late: Callable[[], float] = float,
        report: Callable[[bool], object] = bool,
    ) -> None:
        self.component = component
        self._busy, self._restart, self._late, self._report = busy, restart, late, report
        self._cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.memory = LimitedMedian("memory", "MB", settings.PERF_MAX_MEMORY_MB)
        self.cpu = LimitedMedian("CPU", "%", settings.PERF_MAX_CPU_PERCENT)
        self.delay = LimitedMedian("turn delay", "ms", settings.PERF_MAX_TURN_DELAY_MS)
        self._process = psutil.Process()
        self._used, self._looked_at = _cpu_seconds(_family(self._process)), time.monotonic()
        self._strained_since: float | None = None
        self._woken = threading.Event()

    @property
    def high(self) -> bool:
        """Return whether the worker should take no new work."""
        return self.memory.above or self.cpu.above

    @property
    def cpu_percent_of_one_core(self) -> float:
        """Return the CPU of the worker and its children in percent of one core."""
        return self.cpu.value * self._cores

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="pressure", daemon=True).start()

    def wake(self) -> None:
        """Take samples in short intervals again: work begins."""
        self._woken.set()

    def _pause(self) -> None:
        """Wait for the next sample."""
        seconds = settings.PRESSURE_SAMPLE_SECONDS
        self._woken.clear()
        time.sleep(seconds)
        if self.is_quiet:
            self._woken.wait((IDLE_FACTOR - 1) * seconds)

    @property
    def is_quiet(self) -> bool:
        """Return whether nothing runs and no gauge is above its limit or may soon be."""
        gauges = (self.memory, self.cpu, self.delay)
        return not self._busy() and all(len(gauge.samples) == WINDOW and not gauge.above for gauge in gauges)

    def _run(self) -> None:
        while True:
            self._pause()
            try:
                self.look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning(
                    "system event about memory and CPU not written: %s; trying again with the next sample", error
                )
                connection.close()
            except Exception:
                logger.exception("memory and CPU not measured; trying again with the next sample")

    def look(self) -> None:
        """Take one sample of each gauge, and report changes."""
        family = _family(self._process)
        used, now = _cpu_seconds(family), time.monotonic()
        percent = 100 * max(0.0, used - self._used) / max(1e-6, now - self._looked_at) / self._cores
        self._used, self._looked_at = used, now
        samples = ((self.memory, _memory_mb(family)), (self.cpu, percent), (self.delay, 1000 * self._late()))
        changed = [gauge for gauge, sample in samples if gauge.take(sample)]
        self._report(self.delay.above)
        self._restart_if_stuck(now)
        for gauge in changed:
            self._report_change(gauge)

    def _restart_if_stuck(self, now: float) -> None:
        """Restart an idle worker that keeps its memory: only a new process frees it."""
        if not self.memory.above or self._busy():
            self._strained_since = None
            return
        if self._strained_since is None:
            self._strained_since = now
            _free_memory()
        elif now - self._strained_since > RESTART_SAMPLES * settings.PRESSURE_SAMPLE_SECONDS:
            self._strained_since = now
            message = f"Memory stays at {self.memory.value:.0f} MB while nothing runs: the worker restarts."
            logger.warning(message)
            with contextlib.suppress(DatabaseError, InterfaceError):
                self._append("resource_warning", message)
            self._restart()

    def _report_change(self, gauge: LimitedMedian) -> None:
        level = f"{gauge.what} is at {gauge.value:.0f} {gauge.unit}"
        if gauge is self.delay:
            side, outcome = ("above", "is overloaded") if gauge.above else ("below", "is no longer overloaded")
            message = f"Executions are delayed by {gauge.value:.0f} ms, {side} the limit of {gauge.limit:g} ms"
            message += f": the worker {outcome}."
        elif gauge.above:
            message = f"{level}, above the limit of {gauge.limit:g} {gauge.unit}: the worker takes no new work."
        else:
            message = f"{level}, below the limit of {gauge.limit:g} {gauge.unit} again"
            message += ": the worker takes new work." if not self.high else "."
        logger.log(logging.WARNING if gauge.above else logging.INFO, message)
        self._append("resource_warning" if gauge.above else "health_check", message)

    def _append(self, type_: str, message: str) -> None:
        values = {
            "memory_mb": round(self.memory.value, 1),
            "memory_limit_mb": float(self.memory.limit),
            "cpu_percent": round(self.cpu.value, 1),
            "cpu_limit_percent": float(self.cpu.limit),
            "turn_delay_ms": round(self.delay.value, 1),
            "turn_delay_limit_ms": float(self.delay.limit),
        }
        try:
            system_events.emit(type_, source=SOURCE, component=self.component, message=message, figures=values)
        finally:
            connection.close()


def _family(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and its descendants. This reads all processes of the machine, which takes milliseconds."""
    return [process, *process.children(recursive=True)]


def _memory_mb(family: list[psutil.Process]) -> float:
    total = 0
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += member.memory_info().rss
    return total / 2**20


def _cpu_seconds(family: list[psutil.Process]) -> float:
    """Return the CPU seconds of the first process and its children, including ended ones."""
    total = 0.0
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += sum(times[:4]) if member is family[0] else sum(times[:2])
    return total


def _free_memory() -> None:
    """Return unused memory to the system, if the C library supports it."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

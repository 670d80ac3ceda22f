"""How hard a worker process strains memory and CPU: above the limits it takes no new work until it has recovered. And
how late the turns of its executions come: above that limit it *starves*, and says so.

Memory is that of the process and its children (`code` nodes), against PERF_MAX_MEMORY_MB. CPU is what they use of all
the cores that they may run on, against PERF_MAX_CPU_PERCENT: one busy Python process on many cores is no trouble.
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
"""Samples whose median counts: a short peak is nothing to stop for."""
RELEASE = 0.9
"""The part of a limit that it has to fall below again."""
RESTART_SAMPLES = 10
"""How long an idle worker may stay above the memory limit, before it makes place for a fresh one."""


@dataclass(slots=True)
class Gauge:
    """The median of one figure over a window, against its limit, with hysteresis."""

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
        """Take a sample. Returns whether it changed sides."""
        self.samples.append(sample)
        before, full = self.above, len(self.samples) == WINDOW
        self.above = self.value > self.limit * RELEASE if self.above else full and self.value > self.limit
        return self.above is not before


class Pressure:
    """Watches this process from a thread of its own. `busy` tells whether it has executions; `restart` ends it; `late`
    returns by how many seconds turns came too late since the last look; `report` is told at each look whether the
    worker starves."""

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
        self.memory = Gauge("memory", "MB", settings.PERF_MAX_MEMORY_MB)
        self.cpu = Gauge("CPU", "%", settings.PERF_MAX_CPU_PERCENT)
        self.delay = Gauge("turn delay", "ms", settings.PERF_MAX_TURN_DELAY_MS)
        self._process = psutil.Process()
        self._used, self._looked_at = _cpu_seconds(_family(self._process)), time.monotonic()
        self._strained_since: float | None = None

    @property
    def high(self) -> bool:
        """Tell whether the worker should take nothing new."""
        return self.memory.above or self.cpu.above

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._run, name="pressure", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(settings.PRESSURE_SAMPLE_SECONDS)
            try:
                self.look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("not told of: %s", error)
                connection.close()
            except Exception:
                logger.exception("memory and CPU are not known")

    def look(self) -> None:
        """Take one sample of each, and tell of what has changed."""
        family = _family(self._process)
        used, now = _cpu_seconds(family), time.monotonic()
        percent = 100 * max(0.0, used - self._used) / max(1e-6, now - self._looked_at) / self._cores
        self._used, self._looked_at = used, now
        samples = ((self.memory, _memory_mb(family)), (self.cpu, percent), (self.delay, 1000 * self._late()))
        changed = [gauge for gauge, sample in samples if gauge.take(sample)]
        self._report(self.delay.above)
        self._restart_if_stuck(now)
        for gauge in changed:
            self._tell(gauge)

    def _restart_if_stuck(self, now: float) -> None:
        """Memory that stays with a worker that does nothing comes back with a fresh process only."""
        if not self.memory.above or self._busy():
            self._strained_since = None
            return
        if self._strained_since is None:
            self._strained_since = now
            _give_back_memory()
        elif now - self._strained_since > RESTART_SAMPLES * settings.PRESSURE_SAMPLE_SECONDS:
            self._strained_since = now
            message = f"Memory stays at {self.memory.value:.0f} MB while nothing runs: the worker is started anew."
            logger.warning(message)
            with contextlib.suppress(DatabaseError, InterfaceError):
                self._append("resource_warning", message)
            self._restart()

    def _tell(self, gauge: Gauge) -> None:
        figure = f"{gauge.what} is at {gauge.value:.0f} {gauge.unit}"
        if gauge is self.delay:
            side, outcome = ("above", "starves") if gauge.above else ("below", "no longer starves")
            message = f"The turns of executions come {gauge.value:.0f} ms late, {side} the limit of {gauge.limit:g} ms"
            message += f": the worker {outcome}."
        elif gauge.above:
            message = f"{figure}, above the limit of {gauge.limit:g} {gauge.unit}: the worker takes no new work."
        else:
            message = f"{figure}, below the limit of {gauge.limit:g} {gauge.unit} again"
            message += ": the worker takes new work." if not self.high else "."
        logger.warning(message)
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
    """Return the process and all below it: a look at every process of the machine, some milliseconds."""
    return [process, *process.children(recursive=True)]


def _memory_mb(family: list[psutil.Process]) -> float:
    total = 0
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += member.memory_info().rss
    return total / 2**20


def _cpu_seconds(family: list[psutil.Process]) -> float:
    """Return the CPU seconds that the first one and its children, ended ones too, have used so far."""
    total = 0.0
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += sum(times[:4]) if member is family[0] else sum(times[:2])
    return total


def _give_back_memory() -> None:
    """Hand memory that is no longer used back to the system, where the C library can."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

"""The reports of this process: a thread writes what the instruments show to Redis every few seconds.

A report is a value of Redis that expires; what was read once is kept in PostgreSQL (`store`). A process that is killed
loses what it counted after its last report, at most EVERY_SECONDS.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import Literal
from uuid import uuid4

import orjson
import psutil
import redis

from workflow_platform.core import instruments
from workflow_platform.core.backoff import around
from workflow_platform.core.instruments import Gauge, Histogram, Series
from workflow_platform.core.metrics.adding import since
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.redis_server import patient_client

logger = logging.getLogger(__name__)

Kind = Literal["web", "worker", "scheduler"]
KINDS: tuple[Kind, ...] = ("web", "worker", "scheduler")
EVERY_SECONDS = 5.0
ALIVE_SECONDS = 20.0
"""A process whose last report is older is not alive: its gauges are not shown."""
KEPT_SECONDS = 300
"""How long Redis keeps a report. The scheduler reads them every minute."""
RENEWED_SECONDS = 1800.0
"""After a longer silence a process reports under a new id, from what it had reported: its row may have been folded."""
INDEX = "metrics:processes"
REPORT = "metrics:process:"

MEMORY = Gauge("memory_usage_bytes", "Resident memory of the processes, with the children of workers.", {"kind": KINDS})
CPU = Gauge(
    "cpu_usage_percent",
    "CPU time of the processes, in percent of one core, with the children of workers.",
    {"kind": KINDS},
)
REDIS_SECONDS = Histogram(
    "redis_round_trip_seconds",
    "How long Redis took to accept the report of a process, with the connection; each process sends one every 5 s.",
)
PROCESSES = Gauge("processes_alive", "Processes that report.", {"kind": KINDS})


class ProcessReports:
    """The reports of one process."""

    def __init__(self, kind: str) -> None:
        self._kind, self._host = kind, socket.gethostname()
        self._baseline: Series = {}
        self._sent: Series = {}
        self._begin()

    def _begin(self) -> None:
        self.id, self._sequence, self._sent_at = str(uuid4()), 0, time.time()
        self._baseline = self._sent

    def send(self) -> None:
        """Report. Raises redis.RedisError."""
        now = time.time()
        if now - self._sent_at > RENEWED_SECONDS:
            self._begin()
        counted = instruments.cumulative()
        report = {
            "id": self.id,
            "kind": self._kind,
            "host": self._host[:200],
            "sequence": self._sequence + 1,
            "cumulative": since(counted, self._baseline),
            "gauges": instruments.gauges(),
        }
        with patient_client() as client, client.pipeline(transaction=False) as pipeline:
            pipeline.set(f"{REPORT}{self.id}", orjson.dumps(report), ex=KEPT_SECONDS)
            pipeline.zadd(INDEX, {self.id: now})
            pipeline.zremrangebyscore(INDEX, "-inf", now - KEPT_SECONDS)
            began = time.monotonic()
            pipeline.execute()
        REDIS_SECONDS.observe(time.monotonic() - began)
        self._sequence, self._sent, self._sent_at = self._sequence + 1, counted, now


class Reporter:
    """The thread that reports, and what every process measures of itself."""

    def __init__(self, kind: Kind) -> None:
        self.reports = ProcessReports(kind)
        self._stopped = threading.Event()
        self._process = psutil.Process()
        self._used, self._looked_at = sum(self._process.cpu_times()[:2]), time.monotonic()
        PROCESSES.read_from(lambda: 1.0, kind)
        if kind != "worker":  # a worker measures its children too
            MEMORY.read_from(lambda: float(self._process.memory_info().rss), kind)
            CPU.read_from(self._cpu_percent, kind)
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Report for the last time."""
        self._stopped.set()
        self._thread.join(EVERY_SECONDS)

    def _run(self) -> None:
        failing, last = False, False
        while not last:
            last = self._stopped.wait(around(EVERY_SECONDS, 0.1))
            try:
                self.reports.send()
                failing = False
            except redis.RedisError as error:
                if not failing:  # once while Redis is unavailable
                    logger.warning("metrics not reported: %s; reporting them when Redis is back", error)
                failing = True
            except Exception:
                logger.exception("metrics not reported; trying again in %g s", EVERY_SECONDS)

    def _cpu_percent(self) -> float:
        used, now = sum(self._process.cpu_times()[:2]), time.monotonic()
        percent = 100 * (used - self._used) / max(now - self._looked_at, 0.001)
        self._used, self._looked_at = used, now
        return percent


_kind: Kind = "web"
_reporter = PerProcess(lambda: Reporter(_kind), close=Reporter.finish)


def start(kind: Kind) -> None:
    """Report from now on what this process measures."""
    global _kind
    _kind = kind
    _reporter()
    logger.debug("reporting metrics of process %d", os.getpid())

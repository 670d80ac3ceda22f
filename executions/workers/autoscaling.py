"""Scales the workers: starts one when executions wait for a slot, stops one when slots have been free for a while.

The supervisor of `make up` is configured with PERF_MAX_WORKERS workers and starts PERF_MIN_WORKERS of them; the
scheduler starts and stops the others here. Without SUPERVISOR_SOCKET the number of workers is not changed.

Executions mostly wait for other systems, so there may be more workers than cores. Beyond the number of cores, workers
are started only while the machine has CPU to spare.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import Any, cast
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

import psutil
from django.conf import settings
from django.db import connection
from rq.suspension import is_suspended
from supervisor.states import ProcessStates
from supervisor.xmlrpc import SupervisorTransport

from events.bus import system_events
from executions.admission.admission import ACTIVE, ENDED
from workflow_platform.core.redis_server import patient_client

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
WAIT_SECONDS = 2.0
"""The time that an admitted execution waits for a slot before another worker is started."""
BETWEEN_STARTS_SECONDS = 5.0
"""The time for a new worker to take waiting executions before another one is started."""
ROOM = 0.5
"""A worker is stopped only if the others are then used at most to this share."""
CPU_FULL_PERCENT = 90.0
SOURCE = "executions.scaling"
WORKER, SPARE = "worker", "worker-spare"
"""The workers that always run, and those that are started by load."""
UP = {ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.BACKOFF}
_LOAD = f"""
SELECT count(*) FILTER (WHERE status = 'running'), count(*) FILTER (WHERE status <> 'running'),
  COALESCE(extract(epoch FROM clock_timestamp() - min(admitted_at) FILTER (WHERE status <> 'running')), 0)
FROM executions_execution WHERE {ACTIVE}
"""  # noqa: S608 - a constant of ours
NEXT_DUE = f"""
SELECT min(admitted_at) + interval '{WAIT_SECONDS} seconds' FROM executions_execution
WHERE admitted_at IS NOT NULL AND ended_at IS NULL AND status IN ('queued', 'waiting', 'paused')
"""  # noqa: S608
"""When an admitted execution will have waited for long, as SQL."""


@dataclass(frozen=True, slots=True)
class Load:
    """The load at one check."""

    workers: int
    running: int
    waiting: int
    waited_seconds: float
    cpu_percent: float
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Start (1) or stop (-1) a worker, and the reason."""

    change: int
    reason: str


class ScalingRule:
    """Decides at each check. Times are seconds of a monotonic clock."""

    def __init__(self, minimum: int, maximum: int, slots: int, idle_seconds: float, cores: int) -> None:
        self.minimum, self.maximum, self.slots = minimum, maximum, slots
        self.idle_seconds, self.cores = idle_seconds, cores
        self._started_at = float("-inf")
        self._room_since: float | None = None

    def decide(self, load: Load, now: float) -> Decision | None:
        """Return the decision; None if nothing changes."""
        spare_room = load.waiting == 0 and load.running <= (load.workers - 1) * self.slots * ROOM
        if not spare_room:
            self._room_since = None
        elif self._room_since is None:
            self._room_since = now
        if self._needs_more(load, now):
            self._started_at = now
            return Decision(
                1,
                f"{load.waiting} executions wait for a slot, the first for {load.waited_seconds:.1f} s; "
                f"{load.running} run in {load.workers} workers of {self.slots} slots.",
            )
        if self._room_since is None or now - self._room_since < self.idle_seconds or load.workers <= self.minimum:
            return None
        self._room_since = now
        return Decision(
            -1,
            f"no executions have waited for {self.idle_seconds:g} s; {load.running} run in {load.workers} workers of "
            f"{self.slots} slots.",
        )

    def _needs_more(self, load: Load, now: float) -> bool:
        return (
            load.workers < self.maximum
            and load.waiting > 0
            and load.waited_seconds >= WAIT_SECONDS
            and now - self._started_at >= BETWEEN_STARTS_SECONDS
            and not load.suspended
            and (load.workers < self.cores or load.cpu_percent < CPU_FULL_PERCENT)
        )


class Scaler:
    """Checks the load and lets the supervisor start and stop the spare workers."""

    def __init__(self) -> None:
        self._rule = ScalingRule(
            settings.PERF_MIN_WORKERS,
            settings.PERF_MAX_WORKERS,
            settings.WORKER_CONCURRENCY,
            settings.WORKER_IDLE_SECONDS,
            os.cpu_count() or 1,
        )
        self._looked_at = float("-inf")

    def step(self) -> None:
        """Check at most once a second, and start or stop a worker if needed. Never raises if the supervisor is down."""
        now = time.monotonic()
        if not settings.SUPERVISOR_SOCKET or now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            transport = SupervisorTransport(None, None, serverurl=f"unix://{settings.SUPERVISOR_SOCKET}")
            with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
                self._step(cast(Any, proxy).supervisor, now)
        except (OSError, RpcError) as error:
            logger.warning("supervisor not reachable: %s; the number of workers stays the same", error)

    def _step(self, supervisor: Any, now: float) -> None:
        processes = supervisor.getAllProcessInfo()
        spare = sorted((one for one in processes if one["group"] == SPARE), key=lambda one: str(one["name"]))
        up = [one for one in spare if one["state"] in UP]
        fixed = sum(one["group"] == WORKER and one["state"] in UP for one in processes)
        load = _load(fixed + len(up))
        decision = self._rule.decide(load, now)
        if decision is None:
            return
        if decision.change > 0:
            chosen = next((one for one in spare if one["state"] not in {*UP, ProcessStates.STOPPING}), None)
        else:
            chosen = up[-1] if up else None
        if chosen is None:  # the last stopped worker is still draining
            return
        name = f"{chosen['group']}:{chosen['name']}"
        if decision.change > 0:
            supervisor.startProcess(name, False)
        else:
            supervisor.stopProcess(name, False)
        message = f"{'Started' if decision.change > 0 else 'Stopping'} {chosen['name']}: {decision.reason}"
        logger.info(message)
        figures = {"workers": float(load.workers + decision.change), "running": float(load.running)}
        figures |= {"waiting": float(load.waiting), "waited_seconds": round(load.waited_seconds, 1)}
        system_events.emit("queue_status", source=SOURCE, component="workers", message=message, figures=figures)


def _load(workers: int) -> Load:
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, {"ended": ENDED})
        running, waiting, waited = cursor.fetchone()
    with patient_client() as client:
        suspended = bool(is_suspended(client))
    return Load(workers, running, waiting, float(waited), psutil.cpu_percent(), suspended)

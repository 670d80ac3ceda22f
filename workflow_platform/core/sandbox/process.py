"""A sandbox process from the side of its parent: start, call, kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import psutil

from workflow_platform.core.sandbox import frames
from workflow_platform.core.sandbox.task import Reply, Task
from workflow_platform.core.sandbox.turns import TICK_SECONDS

ROOT = Path(__file__).resolve().parents[3]
HEAD_BYTES = 64 * 2**10
"""The maximum size of an answer's head."""
KEPT_BYTES = 64 * 2**20
"""A process that uses more memory than this after a task is replaced."""


class SandboxProcess:
    """One process. Used by one caller at a time; it starts in the background, and the first call waits for it."""

    def __init__(self) -> None:
        self._connection, child_end = socket.socketpair()
        self._connection.settimeout(TICK_SECONDS)
        self._cpu_seconds = 0.0
        self.reusable = True
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
        with child_end:
            # Pass no other variables: the environment contains the platform's secrets.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workflow_platform.core.sandbox.child"],
                stdin=child_end.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                env=kept | {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, task: Task, tick: Callable[[], None]) -> Reply:
        """Run a task. `tick` is called all the time; after an exception from it the process has to be killed."""
        self.reusable = False
        head = orjson.dumps(
            {
                "function": task.function,
                "cpu_seconds": task.cpu_seconds,
                "memory_bytes": task.memory_bytes,
                "output_bytes": task.output_bytes,
            }
        )
        try:
            frames.send(self._connection, [head, *task.parts], tick)
            answer, *parts = frames.receive(self._connection, task.output_bytes + HEAD_BYTES, tick)
        except (EOFError, OSError):
            return self._died()
        report = orjson.loads(answer)
        self._cpu_seconds = report["cpu_seconds"]
        self.reusable = report["kept_bytes"] <= KEPT_BYTES
        return Reply(parts, report["failure"], report.get("detail", ""), report["cpu_ms"], report["memory_bytes"])

    def cost(self) -> tuple[float, int]:
        """Return CPU milliseconds since the last answer, and bytes in use, for a call without an answer."""
        cpu_ms, memory = 0.0, 0
        with suppress(psutil.Error):  # the memory of a dead process is unknown
            process = psutil.Process(self.pid)
            times = process.cpu_times()
            cpu_ms = max(0, round((times.user + times.system - self._cpu_seconds) * 1000, 3))
            memory = process.memory_info().rss
        return cpu_ms, memory

    def kill(self) -> None:
        """End the process, whatever it does, and wait until it is gone."""
        self.stop()
        self._connection.close()

    def stop(self) -> None:
        """End the process while another thread may be waiting for its answer."""
        self._process.kill()
        self._process.wait()

    def _died(self) -> Reply:
        cpu_ms, memory = self.cost()  # the process is dead but not reaped yet
        self._connection.close()
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:  # it closed its socket but still runs, which should not happen
            self._process.kill()
            code = self._process.wait()
        if code == -signal.SIGXCPU:
            return Reply(failure="time", cpu_ms=cpu_ms, memory_bytes=memory)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return Reply(failure="lost", detail=how, cpu_ms=cpu_ms, memory_bytes=memory)

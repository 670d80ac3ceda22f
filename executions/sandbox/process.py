"""A sandbox process as its parent sees it: started, asked, killed."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import psutil

from executions.expressions import Scope
from executions.sandbox import frames

ROOT = Path(__file__).resolve().parent.parent.parent
TICK_SECONDS = 0.05
"""How often a caller that waits looks whether it is cancelled or out of time."""
HEAD_BYTES = 4 * 2**20
"""Room for an answer's head with its log lines, beside the output."""
WALL_GRACE_SECONDS = 10.0
KEPT_BYTES = 64 * 2**20
"""A process that holds on to more than this after a run is replaced."""


class Cancelled(Exception):
    """The call was cancelled."""


@dataclass(frozen=True, slots=True)
class Call:
    """Code to run over a scope, with its limits. `each`: once for each item, else once for all."""

    code: str
    scope: Scope
    mode: Literal["all", "each"]
    time_limit: float
    """CPU seconds for all items together."""
    memory_limit: int
    output_limit: int

    @property
    def wall_limit(self) -> float:
        """Return the seconds of wall clock after which the machine, not the code, is to blame."""
        return WALL_GRACE_SECONDS + 6 * self.time_limit

    def encoded(self) -> list[bytes]:
        """Return the request: of the outputs of other nodes only those that the code names."""
        scope = self.scope
        words = {
            "__items": scope.items,
            "$execution": scope.execution,
            "$workflow": scope.workflow,
            "$vars": scope.vars,
        }
        nodes = scope.named_in(self.code)
        head = {
            "each": len(scope.items) if self.mode == "each" else -1,
            "time_limit": self.time_limit,
            "memory_limit": self.memory_limit,
            "output_limit": self.output_limit,
            "words": list(words),
            "nodes": list(nodes),
        }
        values = (*words.values(), *nodes.values())
        return [orjson.dumps(head), self.code.encode(), *(orjson.dumps(value) for value in values)]


@dataclass(slots=True)
class Answer:
    """What a call gave: a JSON value or an error, with what it logged and what it cost the sandbox process."""

    value: Any = None
    error: str | None = None
    retryable: bool = False
    logs: list[tuple[str, str]] = field(default_factory=list)
    """Level and message."""
    dropped: int = 0
    """Lines beyond those that are kept."""
    cpu_ms: float = 0
    memory_bytes: int = 0


class SandboxProcess:
    """One process. Used by one caller at a time; it starts in the background, and the first call waits for it."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._connection.settimeout(TICK_SECONDS)
        self._cpu_seconds = 0.0
        self.reusable = True
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
        with theirs:
            # Nothing else of the environment: it holds the platform's secrets.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "executions.sandbox.child"],
                stdin=theirs.fileno(),
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

    def ask(self, call: Call, tick: Callable[[], None]) -> Answer:
        """Run a call. Whatever `tick` raises, which is called all the time, leaves the process to be killed."""
        self.reusable = False
        try:
            frames.send(self._connection, call.encoded(), tick)
            head, text = frames.receive(self._connection, call.output_limit + HEAD_BYTES, tick)
        except (EOFError, OSError):
            return self._died(call)
        told = orjson.loads(head)
        self._cpu_seconds = told["cpu_seconds"]
        self.reusable = told["kept_bytes"] <= KEPT_BYTES
        answer = Answer(
            logs=[(level, message) for level, message in told["logs"]],
            dropped=told["dropped"],
            cpu_ms=told["cpu_ms"],
            memory_bytes=told["memory_bytes"],
        )
        if told["kind"]:
            answer.error = _said(told, call)
            return answer
        try:
            answer.value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            answer.error = f"The code returned what is not JSON: {error}."
        return answer

    def cost(self) -> tuple[float, int]:
        """Return CPU milliseconds since the last answer, and bytes in use: for a call that will have no answer."""
        cpu_ms, memory = 0.0, 0
        with suppress(psutil.Error):  # of a dead process the memory is no longer known
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

    def _died(self, call: Call) -> Answer:
        cpu_ms, memory = self.cost()  # of a process that is dead and still waited for
        self._connection.close()
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:  # it closed its socket and lives on: no process of ours does that
            self._process.kill()
            code = self._process.wait()
        answer = Answer(cpu_ms=cpu_ms, memory_bytes=memory)
        if code == -signal.SIGXCPU:
            answer.error = _said({"kind": "time"}, call)
            return answer
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        answer.error = f"The process that ran the code was {how}; the run can be tried again."
        answer.retryable = True
        return answer


def _said(told: dict[str, Any], call: Call) -> str:
    """Return an error for the person who wrote the code: the limit that was hit, or what was thrown, and where."""
    places = [f"line {told['line']}"] if told.get("line") else []
    places += [f"item {told['item']}"] if told.get("item", -1) >= 0 else []
    where = f" ({', '.join(places)})" if places else ""
    match told["kind"]:
        case "time":
            return f"The code took longer than {call.time_limit:g} s of CPU time{where}."
        case "memory":
            return f"The code needs more than {call.memory_limit // 2**20} MiB of memory{where}."
        case "output":
            return f"{told['error']}; at most {call.output_limit} are allowed."
        case _:
            return f"{told['error']}{where}"


def overdue(call: Call) -> Answer:
    """Return the answer to a call that was given up because its wall clock ran out."""
    seconds = math.ceil(call.wall_limit)
    return Answer(error=f"The code had no result after {seconds} s; the machine may be overloaded.", retryable=True)

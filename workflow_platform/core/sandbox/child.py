"""A sandbox process, `python -m workflow_platform.core.sandbox.child`: runs one task after the other from its standard
input, a socket, until its parent exits. It has no secrets in its environment, no Django and no connections.

A request is a JSON head and the task's parts. An answer is a JSON head and the parts that the function returned.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from workflow_platform.core.sandbox import frames

NICENESS = 5
"""The worker's heartbeats, the database and web processes have priority."""
FRAME_LIMIT_BYTES = 2**30
SPARE_BYTES = 128 * 2**20
"""Address space in addition to a task's memory: buffers of the interpreter, fragmentation of the allocator."""
SIZE_FACTOR = 6
"""How many times the size of the input and of the output a task may hold of them at once, as texts and values."""
TRIM_BYTES = 16 * 2**20

Function = Callable[[list[bytes]], list[bytes]]


def main() -> None:
    """Serve until the parent closes the socket or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    connection = socket.socket(fileno=0)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    sys.dont_write_bytecode = True  # it may write no files
    _restrict()
    functions = Functions()
    meter = Meter()
    while True:
        try:
            parts = frames.receive(connection, FRAME_LIMIT_BYTES)
        except EOFError:
            return
        head, answer = _answer(functions, parts, meter)
        del parts
        frames.send(connection, [orjson.dumps(head | meter.end()), *answer])
        del answer
        functions.warm()  # in advance, so that the next caller does not wait for it


def _leave_with_parent() -> None:
    """End this process when the other end of its socket is closed, even during a task: QuickJS runs without the GIL.

    The kernel's signal for a dead parent (`tied.py`) is sent when the parent's *thread* ends, and threads come and go.
    """
    waiting = select.poll()
    waiting.register(0, getattr(select, "POLLRDHUP", 0))
    while not waiting.poll():
        pass
    os._exit(0)


def _restrict() -> None:
    """Drop what a task does not need, in case code breaks out of QuickJS: writing files, processes, privileges."""
    os.nice(NICENESS)
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def _answer(functions: Functions, parts: list[bytes], meter: Meter) -> tuple[dict[str, Any], list[bytes]]:
    head, size = orjson.loads(parts[0]), sum(map(len, parts))
    function, imported = functions.find(head["function"])
    if imported:
        meter.rebase(size)
    try:
        meter.begin(head["cpu_seconds"], head["memory_bytes"] + SIZE_FACTOR * (size + head["output_bytes"]))
        answer = function(parts[1:])
    except MemoryError:
        return {"failure": "memory"}, []
    size = sum(map(len, answer))
    if size > head["output_bytes"]:
        return {"failure": "output", "detail": str(size)}, []
    return {"failure": ""}, answer


class Functions:
    """The functions that tasks have named. Their modules may have a `warm` that prepares for the next call."""

    def __init__(self) -> None:
        self._known: dict[str, Function] = {}
        self._warmers: dict[str, Callable[[], None]] = {}

    def find(self, name: str) -> tuple[Function, bool]:
        """Return the function, and whether it has just been imported."""
        function = self._known.get(name)
        if function is not None:
            return function, False
        module_name, _, attribute = name.partition(":")
        module = importlib.import_module(module_name)
        function = self._known[name] = getattr(module, attribute)
        if warm := getattr(module, "warm", None):
            self._warmers[module_name] = warm
            warm()
        return function, True

    def warm(self) -> None:
        """Prepare for the next call of each."""
        for warm in self._warmers.values():
            warm()


def _set_soft(limit: int, value: int | None) -> None:
    """Set a limit of this process, at most the operator's limit; None: the operator's limit."""
    hard = resource.getrlimit(limit)[1]
    within = hard if value is None else value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (within, hard))


class Meter:
    """Measures the CPU and memory of a task, and sets the kernel's limits, which apply in addition to those of its
    function."""

    def __init__(self) -> None:
        self._cpu = 0.0
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._status = self._clear = -1
        if self._libc is not None:
            self._status = os.open("/proc/self/status", os.O_RDONLY)
            self._clear = os.open("/proc/self/clear_refs", os.O_WRONLY)
        self._floor = self._read()

    def rebase(self, held: int) -> None:
        """Count the memory of newly loaded modules and their warm state as that of the process, not of a task; `held`
        bytes of input are in memory now."""
        self._floor = self._read()
        if self._floor:
            self._floor["VmRSS"] -= held

    def begin(self, cpu_seconds: float, room: int) -> None:
        """Start to measure, and set the kernel's limits for code that does not check its own: endless loops, huge
        buffers. `room`: bytes of memory."""
        self._cpu = time.process_time()
        if self._clear >= 0:
            os.write(self._clear, b"5")  # the peak starts again from what is in use now
        _set_soft(resource.RLIMIT_CPU, math.ceil(self._cpu + cpu_seconds) + 1)
        if self._floor:
            _set_soft(resource.RLIMIT_AS, self._floor["VmSize"] + room + SPARE_BYTES)

    def end(self) -> dict[str, Any]:
        """Return `cpu_ms` and `memory_bytes` of the task, and `cpu_seconds` and `kept_bytes` of the process."""
        _set_soft(resource.RLIMIT_CPU, None)
        _set_soft(resource.RLIMIT_AS, None)
        now = self._read()
        kept = now.get("VmRSS", 0) - self._floor.get("VmRSS", 0)
        if kept > TRIM_BYTES and self._libc is not None:
            self._libc.malloc_trim(0)
            kept = self._read()["VmRSS"] - self._floor["VmRSS"]
        seconds = time.process_time()
        return {
            "cpu_ms": round((seconds - self._cpu) * 1000, 3),
            "memory_bytes": max(0, now.get("VmHWM", 0) - self._floor.get("VmRSS", 0)),
            "cpu_seconds": seconds,
            "kept_bytes": kept,
        }

    def _read(self) -> dict[str, int]:
        """Return the memory sizes of this process in bytes; empty where the system has no such figures."""
        if self._status < 0:
            return {}
        lines = os.pread(self._status, 4096, 0).split(b"\n")
        fields = (b"VmSize", b"VmHWM", b"VmRSS")
        return {line[:6].decode().rstrip(":"): int(line.split()[1]) * 1024 for line in lines if line.startswith(fields)}


if __name__ == "__main__":
    main()

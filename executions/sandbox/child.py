"""A sandbox process, `python -m executions.sandbox.child`: runs one request after the other from its standard input,
a socket, until its parent is gone. It has no secrets in its environment, no Django and no connections.

A request is a JSON head, the code, then the JSON texts that the head names. An answer is a JSON head and a JSON text.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from typing import Any

import orjson

from executions.sandbox import frames
from executions.sandbox.evaluation import Evaluation, Outcome, Request

NICENESS = 5
"""The worker's heartbeats, the database and the web come first."""
FRAME_LIMIT_BYTES = 2**30
SPARE_BYTES = 128 * 2**20
"""Address space beside what a request accounts for: the interpreter's buffers, the allocator's waste."""
TRIM_BYTES = 16 * 2**20


def main() -> None:
    """Serve until the parent closes the socket or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    connection = socket.socket(fileno=0)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    meter = Meter()
    _restrict()
    while True:
        # Made before it is asked for: the caller does not wait for it.
        evaluation = Evaluation()
        try:
            parts = frames.receive(connection, FRAME_LIMIT_BYTES)
        except EOFError:
            return
        meter.begin()
        answer = _answer(evaluation, parts, meter)
        del evaluation, parts
        head, text = answer
        frames.send(connection, [orjson.dumps(head | meter.end()), text])


def _leave_with_parent() -> None:
    """End this process when the other end of its socket is closed, whatever it computes: QuickJS runs without the GIL.

    The kernel's signal for a dead parent (`tied.py`) is sent when the parent's *thread* ends, and threads come and go.
    """
    waiting = select.poll()
    waiting.register(0, getattr(select, "POLLRDHUP", 0))
    while not waiting.poll():
        pass
    os._exit(0)


def _restrict() -> None:
    """Give up what code has no need of, should it ever break out of QuickJS: files to write, processes, privileges."""
    os.nice(NICENESS)
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def _answer(evaluation: Evaluation, parts: list[bytes], meter: Meter) -> tuple[dict[str, Any], bytes]:
    try:
        request = _request(parts)
        meter.limit(request, sum(map(len, parts)))
        outcome = evaluation.run(request)
        text = outcome.text.encode()
        if len(text) > request.output_limit:
            text, outcome.kind, outcome.error = b"null", "output", f"The code returned {len(text)} bytes"
    except MemoryError:
        outcome, text = Outcome(kind="memory"), b"null"
    return {
        "kind": outcome.kind,
        "error": outcome.error,
        "line": outcome.line,
        "item": outcome.item,
        "logs": outcome.logs,
        "dropped": outcome.dropped,
    }, text


def _request(parts: list[bytes]) -> Request:
    head = orjson.loads(parts[0])
    texts = iter([part.decode() for part in parts[1:]])
    return Request(
        code=next(texts),
        each=head["each"],
        time_limit=head["time_limit"],
        memory_limit=head["memory_limit"],
        output_limit=head["output_limit"],
        words={word: next(texts) for word in head["words"]},
        nodes={name: next(texts) for name in head["nodes"]},
    )


def _set_soft(limit: int, value: int | None) -> None:
    """Set a limit of this process as far as the operator's own allows; None: as that."""
    hard = resource.getrlimit(limit)[1]
    within = hard if value is None else value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (within, hard))


class Meter:
    """What a run costs in CPU and memory, and the kernel's limits around it, behind those of QuickJS."""

    def __init__(self) -> None:
        self._cpu = 0.0
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._status = self._clear = -1
        if self._libc is not None:
            self._status = os.open("/proc/self/status", os.O_RDONLY)
            self._clear = os.open("/proc/self/clear_refs", os.O_WRONLY)
        Evaluation()  # so that what every context needs is not counted as a run's
        self._idle = self._read()

    def begin(self) -> None:
        """Count from here."""
        self._cpu = time.process_time()
        if self._clear >= 0:
            os.write(self._clear, b"5")  # the peak starts again from what is in use now

    def limit(self, request: Request, size: int) -> None:
        """Set what the kernel ends or refuses if QuickJS does not: code that never looks at its clock, huge buffers."""
        _set_soft(resource.RLIMIT_CPU, math.ceil(self._cpu + request.time_limit) + 1)
        room = request.memory_limit + 6 * size + 6 * request.output_limit + SPARE_BYTES
        if self._idle:
            _set_soft(resource.RLIMIT_AS, self._idle["VmSize"] + room)

    def end(self) -> dict[str, Any]:
        """Return `cpu_ms` and `memory_bytes` of the run, and `cpu_seconds` and `kept_bytes` of the process."""
        _set_soft(resource.RLIMIT_CPU, None)
        now = self._read()
        kept = now.get("VmRSS", 0) - self._idle.get("VmRSS", 0)
        if kept > TRIM_BYTES and self._libc is not None:
            self._libc.malloc_trim(0)
            kept = self._read()["VmRSS"] - self._idle["VmRSS"]
        seconds = time.process_time()
        return {
            "cpu_ms": round((seconds - self._cpu) * 1000, 3),
            "memory_bytes": max(0, now.get("VmHWM", 0) - self._idle.get("VmRSS", 0)),
            "cpu_seconds": seconds,
            "kept_bytes": kept,
        }

    def _read(self) -> dict[str, int]:
        """Return the sizes of this process in bytes, or nothing where the system does not tell."""
        if self._status < 0:
            return {}
        lines = os.pread(self._status, 4096, 0).split(b"\n")
        wanted = (b"VmSize", b"VmHWM", b"VmRSS")
        return {line[:6].decode().rstrip(":"): int(line.split()[1]) * 1024 for line in lines if line.startswith(wanted)}


if __name__ == "__main__":
    main()

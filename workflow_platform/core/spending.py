"""What a piece of work costs besides the time of its own thread: waits, outbound calls, and work in sandbox processes.

The thread that does the work collects it (`collecting`); the packages that wait, call or compute for it report it. In a
thread that collects nothing, a report has no effect.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

Wait = Literal["sandbox", "credential", "cache"]
LEAST_MS = 0.1
"""Shorter times are left out."""
_COUNTS = ("count", "repeated", "sent_bytes", "received_bytes")


class Spending:
    """The cost of a piece of work, as a sum over what it did. Times are in milliseconds."""

    __slots__ = ("calls", "cpu_ms", "memory_bytes", "waits")

    def __init__(self, stored: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """`stored` is the `data` of earlier work, to be continued."""
        self.waits: dict[str, float] = dict(stored.get("waits", {})) if stored else {}
        self.calls: dict[str, float] = dict(stored.get("calls", {})) if stored else {}
        self.cpu_ms = 0.0
        """CPU time of sandbox processes."""
        self.memory_bytes: int | None = None
        """The most memory that a task used in a sandbox process; None: there was no task."""

    def wait(self, kind: str, milliseconds: float) -> None:
        """Add a wait."""
        _add(self.waits, f"{kind}_ms", milliseconds)

    def call(self, figures: Mapping[str, float]) -> None:
        """Add a call."""
        for name, value in figures.items():
            _add(self.calls, name, value)

    def add(self, other: Spending) -> None:
        """Add the waits and calls of other work."""
        for name, value in other.waits.items():
            _add(self.waits, name, value)
        self.call(other.calls)

    def data(self) -> dict[str, Any] | None:
        """Return the waits and calls as JSON, without what is zero; None if nothing is left."""
        parts = {"waits": _stored(self.waits), "calls": _stored(self.calls)}
        return {name: part for name, part in parts.items() if part} or None


_collected: ContextVar[Spending | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[Spending]:
    """Collect what is reported in this thread while the block runs."""
    spending = Spending()
    token = _collected.set(spending)
    try:
        yield spending
    finally:
        _collected.reset(token)


@contextmanager
def waiting(kind: Wait) -> Iterator[None]:
    """Report the time of the block as a wait; what happens in it is part of the wait and not reported."""
    spending = _collected.get()
    if spending is None:
        yield
        return
    began, token = time.monotonic(), _collected.set(None)
    try:
        yield
    finally:
        _collected.reset(token)
        spending.wait(kind, (time.monotonic() - began) * 1000)


def waited(kind: Wait, seconds: float) -> None:
    """Report a wait."""
    if (spending := _collected.get()) is not None:
        spending.wait(kind, seconds * 1000)


def called(figures: Mapping[str, float]) -> None:
    """Report an outbound call: its phases, its bytes and how often it was repeated."""
    if (spending := _collected.get()) is not None:
        spending.call({"count": 1, **figures})


def computed(cpu_ms: float, memory_bytes: int) -> None:
    """Report a task in a sandbox process. Memory of 0 bytes is unknown."""
    if (spending := _collected.get()) is not None:
        spending.cpu_ms += cpu_ms
        spending.memory_bytes = max(spending.memory_bytes or 0, memory_bytes) or None


def _add(to: dict[str, float], name: str, value: float) -> None:
    to[name] = to.get(name, 0) + value


def _stored(part: Mapping[str, float]) -> dict[str, float]:
    return {
        name: int(value) if name in _COUNTS else round(value, 1)
        for name, value in part.items()
        if value >= (1 if name in _COUNTS else LEAST_MS)
    }

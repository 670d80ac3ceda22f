"""The phases of an attempt as a waterfall of bars. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Timed(Protocol):
    """Milliseconds. `first_byte_ms` and `total_ms` count from the start, the others are durations."""

    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    total_ms: float | None


@dataclass(frozen=True, slots=True)
class Phase:
    """`left` and `width` are percentages of the scale."""

    name: str
    milliseconds: float
    left: float
    width: float


def waterfall(attempt: Timed, scale: float | None = None) -> list[Phase]:
    """Return the phases of an attempt, in order. `scale` is the time that fills the width, such as the longest of
    several attempts."""
    total = attempt.total_ms or 0.0
    spent = [("DNS", attempt.dns_ms), ("Connect", attempt.connect_ms), ("TLS", attempt.tls_ms)]
    before = sum(milliseconds or 0.0 for _, milliseconds in spent)
    first = attempt.first_byte_ms
    if first is None:
        spent.append(("No response", max(0.0, total - before)))
    else:
        spent += [("First byte", max(0.0, first - before)), ("Response", max(0.0, total - max(first, before)))]
    phases, at, whole = [], 0.0, max(scale or 0.0, total) or 1.0
    for name, milliseconds in spent:
        if milliseconds is not None:
            phases.append(Phase(name, milliseconds, 100 * at / whole, 100 * milliseconds / whole))
            at += milliseconds
    return phases

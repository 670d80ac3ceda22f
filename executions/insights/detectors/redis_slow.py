"""Redis answers slower than usual: jobs and live events wait for it."""

from __future__ import annotations

from executions.insights import platform_samples
from executions.insights.findings import Finding, seconds_text
from executions.insights.platform_samples import PUBLISHES, REDIS, PlatformMeasures, Slower, slower
from executions.models import InsightKind

LEAST = 30
"""Round trips in a span: each process measures one every few seconds."""
FLOOR_SECONDS, FACTOR = 0.02, 3.0
"""Faster answers hold nothing back, whatever is usual."""
SLOW_SECONDS = 0.25
"""Slow by any measure."""
WHAT = {REDIS: "A round trip to Redis takes", PUBLISHES: "Live events take"}


def detect() -> list[Finding] | None:
    """Return whether Redis is slow; None if too little is known."""
    measured = platform_samples.measured()
    if measured is None:
        return None
    found = decide(measured)
    return [_finding(measured, *found)] if found else []


def decide(measured: PlatformMeasures) -> tuple[str, Slower] | None:
    """Return what is slow, with its figures; None if nothing is."""
    for name in WHAT:
        found = slower(measured, name, least=LEAST, floor_s=FLOOR_SECONDS, factor=FACTOR, slow_s=SLOW_SECONDS)
        if found is not None:
            return name, found
    return None


def _finding(measured: PlatformMeasures, name: str, found: Slower) -> Finding:
    usual = f" instead of {seconds_text(found.usual.mean_s)}" if found.usual else ""
    text = f"{WHAT[name]} {seconds_text(found.now.mean_s)}{usual}"
    evidence = {
        "n": found.now.n,
        "span_s": round(measured.span_s),
        "cause": name,
        "mean_s": round(found.now.mean_s, 4),
        "p95_s": found.now.p95_s,
        "usual_mean_s": round(found.usual.mean_s, 4) if found.usual else None,
        "usual_n": measured.usual[name].n,
    }
    figure = {"value": round(found.now.mean_s, 4), "unit": "s", "text": text}
    return Finding(InsightKind.REDIS_SLOW, None, "redis", {"name": "Redis"}, evidence, figure)

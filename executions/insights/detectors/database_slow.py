"""A slow database: commits take longer than usual or fill the time of the workers, or connections run out."""

from __future__ import annotations

from typing import Any

from executions.admission.live_workers import count_live_workers
from executions.insights import platform_samples
from executions.insights.findings import Finding, seconds_text
from executions.insights.platform_samples import APPENDS, COMMITS, PlatformMeasures, slower
from executions.models import InsightKind

LEAST = 50
"""Commits in a span."""
FLOOR_SECONDS, FACTOR = 0.05, 3.0
"""Faster commits hold nothing back, whatever is usual."""
SLOW_SECONDS = 0.5
"""Slow by any measure."""
MOST_BUSY = 0.8
"""Of the time of the workers' commits: more changes would wait for their turn."""
LEAST_BUSY_SECONDS = 0.02
"""Faster commits fill the time only because there is so much to commit."""
MOST_CONNECTIONS = 0.9
"""Of those that the server allows."""


def detect() -> list[Finding] | None:
    """Return whether the database is slow; None if too little is known."""
    measured = platform_samples.measured()
    if measured is None:
        return None
    reason = decide(measured, count_live_workers())
    return [_finding(measured, *reason)] if reason else []


def decide(measured: PlatformMeasures, workers: int | None) -> tuple[str, float, str] | None:
    """Return why it is slow: the cause, its value, and a sentence; None if it is not."""
    used = measured.connections / max(measured.most_connections, 1)
    if used >= MOST_CONNECTIONS:
        text = f"{measured.connections} of {measured.most_connections} connections to the database are in use"
        return "connections", used, text
    for name, what in ((COMMITS, "Commits of workers"), (APPENDS, "Transactions with events")):
        found = slower(measured, name, least=LEAST, floor_s=FLOOR_SECONDS, factor=FACTOR, slow_s=SLOW_SECONDS)
        if found is not None:
            usual = f" instead of {seconds_text(found.usual.mean_s)}" if found.usual else ""
            return name, found.now.mean_s, f"{what} take {seconds_text(found.now.mean_s)}{usual}"
    commits = measured.now[COMMITS]
    busy = busy_share(measured, workers)
    if busy is not None and busy >= MOST_BUSY and commits.n >= LEAST and commits.mean_s >= LEAST_BUSY_SECONDS:
        return "busy", busy, f"Workers commit during {busy:.0%} of the time"
    return None


def busy_share(measured: PlatformMeasures, workers: int | None) -> float | None:
    """Return the share of the time in which the workers' commits are under way, each worker having one at a time."""
    if not workers:
        return None
    commits = measured.now[COMMITS]
    return min(1.0, commits.n * commits.mean_s / (measured.span_s * workers))


def _finding(measured: PlatformMeasures, cause: str, value: float, text: str) -> Finding:
    commits, appends = measured.now[COMMITS], measured.now[APPENDS]
    shown = appends if cause == APPENDS else commits
    usual = measured.usual[APPENDS if cause == APPENDS else COMMITS]
    evidence: dict[str, Any] = {
        "n": shown.n,
        "span_s": round(measured.span_s),
        "cause": cause,
        "mean_s": round(shown.mean_s, 4),
        "p95_s": shown.p95_s,
        "usual_mean_s": round(usual.mean_s, 4) if usual.n else None,
        "usual_n": usual.n,
        "commits_per_s": round(commits.n / measured.span_s, 2),
        "connections": measured.connections,
        "most_connections": measured.most_connections,
    }
    unit = "share" if cause in {"connections", "busy"} else "s"
    if cause == "busy":
        evidence["busy_share"] = round(value, 3)
    figure = {"value": round(value, 3), "unit": unit, "text": text}
    return Finding(InsightKind.DATABASE_SLOW, None, "database", {"name": "PostgreSQL"}, evidence, figure)

"""Explains why an execution is queued: the limit that holds it, its use and holders, and the expected start.

Executions that the caller may not see are only counted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from django.conf import settings
from django.utils import timezone
from redis.exceptions import RedisError

from executions.admission import queue_position, rq_queues
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.logs import execution_logging

logger = logging.getLogger(__name__)

Reason = Literal[
    "key_concurrency", "workflow_concurrency", "rate_limit", "workspace_concurrency", "cluster_concurrency",
    "no_worker", "workers_suspended", "workers_busy", "on_its_way",
]  # fmt: skip
REASONS = get_args(Reason)
UNKNOWN_DURATION = "No estimate: no workflow holding this limit has a finished execution yet."


@dataclass(frozen=True, slots=True)
class _Workers:
    """The state of the workers in RQ. `live` is None if Redis does not respond."""

    live: int | None
    suspended: bool
    jobs_ahead: int


@dataclass(frozen=True, slots=True)
class _Held:
    reason: Reason
    scope: Literal["key", "workflow", "rate", "workspace", "cluster"]
    limit: int
    in_use: int
    ahead: int
    in_line: int


def explain(execution: Execution, user: User) -> dict[str, Any] | None:
    """Return why the execution is queued, with what `user` may see; None if it is not queued.

    `{reason, detail, limit, in_use, place, in_line, holders, other_holders, expected_start, expected_start_unknown,
    also}`: `reason` is the narrowest limit that is reached, `also` names the wider limits that are reached. `place` is
    the position in the queue, from 1; `holders` are up to five of `{execution, workflow, workflow_name, status,
    admitted_at}`.
    """
    if execution.status != ExecutionStatus.QUEUED.value:
        return None
    explanation = _explain(execution, user)
    if not execution.is_live:
        explanation["detail"] += f" Live executions start before this {execution.mode} execution."
    return explanation


def _explain(execution: Execution, user: User) -> dict[str, Any]:
    counts = queue_position.queue_counts(execution)
    workers = _workers(execution)
    if execution.admitted_at is not None:
        return _of_admitted(counts, workers)
    held = _used_up(counts)
    if not workers.live or workers.suspended:
        return _of_idle_workers(workers, held, counts)
    if not held:
        return _answer(
            "on_its_way", "No limit applies. The execution starts as soon as a worker takes it.",
            position=counts["cluster_ahead"] + 1, in_line=counts["cluster_line"], expected_start=timezone.now(),
        )  # fmt: skip
    return _of_limit(execution, user, held, counts)


def _workers(execution: Execution) -> _Workers:
    try:
        return _Workers(*rq_queues.workers_and_jobs_ahead(execution))
    except RedisError as error:
        with execution_logging(execution):
            logger.warning("state of the workers not readable: %s; the explanation leaves it out", error)
        return _Workers(None, False, 0)


def _used_up(counts: dict[str, Any]) -> list[_Held]:
    """Return the limits that are reached, the narrowest first."""
    held = []
    scopes: tuple[tuple[Literal["key", "workflow", "workspace", "cluster"], Reason], ...] = (
        ("key", "key_concurrency"), ("workflow", "workflow_concurrency"), ("workspace", "workspace_concurrency"),
        ("cluster", "cluster_concurrency"),
    )  # fmt: skip
    for scope, reason in scopes:
        limit, used = counts[f"{scope}_limit"], counts[f"{scope}_used"]
        if limit is not None and used >= limit:
            held.append(_Held(reason, scope, limit, used, counts[f"{scope}_ahead"], counts[f"{scope}_line"]))
    if counts["rate_limit"] is not None and len(counts["rate_frees"]) >= counts["rate_limit"]:
        rate = _Held("rate_limit", "rate", counts["rate_limit"], len(counts["rate_frees"]), counts["workflow_ahead"],
                     counts["workflow_line"])  # fmt: skip
        held.insert(sum(one.scope in {"key", "workflow"} for one in held), rate)
    return held


def _of_limit(execution: Execution, user: User, held: list[_Held], counts: dict[str, Any]) -> dict[str, Any]:
    first = held[0]
    position = first.ahead + 1
    holders: list[dict[str, Any]] = []
    if first.scope == "rate":
        seconds: float | None = _until_rate_frees(counts["rate_frees"], first.limit, counts["rate_seconds"], position)
    else:
        visible = list(Workspace.objects.visible_to(user).values_list("pk", flat=True))
        took, holders = queue_position.holders_of(execution, first.scope, visible)
        # Slots become free one after another: `limit` slots in the duration of one execution.
        seconds = None if took is None else position * took / first.limit
    start = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    return _answer(
        first.reason, _sentence(execution, first, counts, position), limit=first.limit, in_use=first.in_use,
        position=position, in_line=first.in_line, holders=holders,
        other_holders=0 if first.scope == "rate" else max(0, first.in_use - len(holders)),
        expected_start=start, unknown="" if start else UNKNOWN_DURATION, also=[other.reason for other in held[1:]],
    )  # fmt: skip


def _until_rate_frees(frees: list[float], limit: int, span: float, position: int) -> float:
    """Return the seconds until the start at `position` is allowed; `frees` has the seconds until each counted start
    no longer counts."""
    rounds, nth = divmod(position - 1, limit)
    return max(0.0, frees[min(nth, len(frees) - 1)]) + rounds * span


def _sentence(execution: Execution, held: _Held, counts: dict[str, Any], position: int) -> str:
    where = f"Position {position} of {held.in_line}"
    match held.scope:
        case "key":
            key = execution.concurrency_key
            return f"{_running(held, f'of this workflow with the key {key!r}')} {where}."
        case "workflow":
            return f"{_running(held, 'of this workflow')} {where}."
        case "rate":
            span = f"{counts['rate_seconds']:g} s"
            return f"Rate limit reached: this workflow starts at most {held.limit} executions in {span}. {where}."
        case "workspace":
            return f"{_running(held, 'of this workspace')} {where}."
        case _:
            return f"{_running(held, 'of the installation')} {where}."


def _running(held: _Held, of: str) -> str:
    verb = "is" if held.in_use == 1 else "are"
    noun = "execution" if held.limit == 1 else "executions"
    return f"Waiting for a slot: {held.in_use} of {held.limit} {noun} {of} {verb} running."


def _of_idle_workers(workers: _Workers, held: list[_Held], counts: dict[str, Any]) -> dict[str, Any]:
    """No execution starts until an operator acts, regardless of the limits."""
    also = [one.reason for one in held]
    position, in_line = counts["cluster_ahead"] + 1, counts["cluster_line"]
    if workers.suspended:
        detail, unknown = (
            "The workers are suspended in RQ. They take no jobs until you resume them.",
            "Workers are suspended.",
        )
        return _answer("workers_suspended", detail, position=position, in_line=in_line, unknown=unknown, also=also)
    detail = (
        "No worker is running. Start one to run this execution."
        if workers.live == 0
        else "Redis does not respond, so workers receive no jobs. Check the Redis server."
    )
    return _answer(
        "no_worker", detail, limit=0, in_use=0, position=position, in_line=in_line, unknown="No worker.", also=also
    )


def _of_admitted(counts: dict[str, Any], workers: _Workers) -> dict[str, Any]:
    if not workers.live or workers.suspended:
        return _of_idle_workers(workers, [], counts) | {
            "place": workers.jobs_ahead + 1,
            "in_line": workers.jobs_ahead + 1,
        }
    slots = workers.live * settings.WORKER_CONCURRENCY
    position = workers.jobs_ahead + 1
    if counts["running"] >= slots:
        detail = (
            f"Waiting for a worker: all {slots} slots of {workers.live} running workers are in use; "
            f"{workers.jobs_ahead} jobs are ahead."
        )
        return _answer(
            "workers_busy", detail, limit=slots, in_use=counts["running"], position=position, in_line=position,
            unknown="No estimate: it depends on which slot becomes free first.",
        )  # fmt: skip
    detail = "Admitted. The execution starts as soon as a worker takes it."
    return _answer("on_its_way", detail, limit=slots, in_use=counts["running"], position=position, in_line=position,
                   expected_start=timezone.now())  # fmt: skip


def _answer(
    reason: Reason,
    detail: str,
    *,
    position: int,
    in_line: int,
    limit: int | None = None,
    in_use: int | None = None,
    holders: list[dict[str, Any]] | None = None,
    other_holders: int = 0,
    expected_start: datetime | None = None,
    unknown: str = "",
    also: list[Reason] | None = None,
) -> dict[str, Any]:
    return {
        "reason": reason,
        "detail": detail,
        "limit": limit,
        "in_use": in_use,
        "place": position,
        "in_line": in_line,
        "holders": holders or [],
        "other_holders": other_holders,
        "expected_start": expected_start,
        "expected_start_unknown": unknown or None,
        "also": also or [],
    }

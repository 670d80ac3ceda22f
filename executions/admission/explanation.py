"""Why an execution is still queued: which limit holds it, how much of it is in use and by whom, when it may start.

Of executions that the caller may not see, the response gives only the number, never the ids.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

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
UNKNOWN_DURATION = "No estimate: no workflow holding this limit has a finished execution yet."


@dataclass(frozen=True, slots=True)
class _Workers:
    """What RQ knows of; `live` is None where Redis does not answer."""

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
    """Return why the execution is queued, as `user` may know it; None if it is not queued.

    `{reason, detail, limit, in_use, place, in_line, holders, other_holders, expected_start, expected_start_unknown,
    also}`: `reason` is the narrowest limit that is used up, `also` names the wider ones that are too. `place` 1 is who
    goes next; `holders` are up to five of `{execution, workflow, workflow_name, status, admitted_at}`.
    """
    if execution.status != ExecutionStatus.QUEUED.value:
        return None
    found = queue_position.figures_for(execution)
    workers = _workers(execution)
    if execution.admitted_at is not None:
        return _of_admitted(found, workers)
    held = _used_up(found)
    if not workers.live or workers.suspended:
        return _of_idle_workers(workers, held, found)
    if not held:
        return _answer(
            "on_its_way", "No limit applies; the execution is about to be passed to a worker.",
            place=found["cluster_ahead"] + 1, in_line=found["cluster_line"], expected_start=timezone.now(),
        )  # fmt: skip
    return _of_limit(execution, user, held, found)


def _workers(execution: Execution) -> _Workers:
    try:
        return _Workers(*rq_queues.workers_and_jobs_ahead(execution))
    except RedisError as error:
        with execution_logging(execution):
            logger.warning("state of the workers not readable: %s; the explanation leaves it out", error)
        return _Workers(None, False, 0)


def _used_up(found: dict[str, Any]) -> list[_Held]:
    """Return the limits of which nothing is left, the narrowest first."""
    held = []
    scopes: tuple[tuple[Literal["key", "workflow", "workspace", "cluster"], Reason], ...] = (
        ("key", "key_concurrency"), ("workflow", "workflow_concurrency"), ("workspace", "workspace_concurrency"),
        ("cluster", "cluster_concurrency"),
    )  # fmt: skip
    for scope, reason in scopes:
        limit, used = found[f"{scope}_limit"], found[f"{scope}_used"]
        if limit is not None and used >= limit:
            held.append(_Held(reason, scope, limit, used, found[f"{scope}_ahead"], found[f"{scope}_line"]))
    if found["rate_limit"] is not None and len(found["rate_frees"]) >= found["rate_limit"]:
        rate = _Held("rate_limit", "rate", found["rate_limit"], len(found["rate_frees"]), found["workflow_ahead"],
                     found["workflow_line"])  # fmt: skip
        held.insert(sum(one.scope in {"key", "workflow"} for one in held), rate)
    return held


def _of_limit(execution: Execution, user: User, held: list[_Held], found: dict[str, Any]) -> dict[str, Any]:
    first = held[0]
    place = first.ahead + 1
    holders: list[dict[str, Any]] = []
    if first.scope == "rate":
        seconds: float | None = _until_rate_frees(found["rate_frees"], first.limit, found["rate_seconds"], place)
    else:
        visible = list(Workspace.objects.visible_to(user).values_list("pk", flat=True))
        took, holders = queue_position.holders_of(execution, first.scope, visible)
        # Places come free one after another, `limit` of them in the time that one execution takes.
        seconds = None if took is None else place * took / first.limit
    start = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    return _answer(
        first.reason, _sentence(execution, first, found, place), limit=first.limit, in_use=first.in_use, place=place,
        in_line=first.in_line, holders=holders,
        other_holders=0 if first.scope == "rate" else max(0, first.in_use - len(holders)),
        expected_start=start, unknown="" if start else UNKNOWN_DURATION, also=[other.reason for other in held[1:]],
    )  # fmt: skip


def _until_rate_frees(frees: list[float], limit: int, span: float, place: int) -> float:
    """Return the seconds until the start at `place` is free; `frees` has the seconds until each counted start is."""
    rounds, nth = divmod(place - 1, limit)
    return max(0.0, frees[min(nth, len(frees) - 1)]) + rounds * span


def _sentence(execution: Execution, held: _Held, found: dict[str, Any], place: int) -> str:
    where = f"Position {place} of {held.in_line}"
    match held.scope:
        case "key":
            key = execution.concurrency_key
            return f"{_running(held, f'of this workflow with the key {key!r}')} {where}."
        case "workflow":
            return f"{_running(held, 'of this workflow')} {where}."
        case "rate":
            span = f"{found['rate_seconds']:g} s"
            return f"Rate limit reached: this workflow starts at most {held.limit} executions in {span}. {where}."
        case "workspace":
            return f"{_running(held, 'of this workspace')} {where}."
        case _:
            return f"{_running(held, 'of the installation')} {where}."


def _running(held: _Held, of: str) -> str:
    verb = "is" if held.in_use == 1 else "are"
    noun = "execution" if held.limit == 1 else "executions"
    return f"Waiting for a slot: {held.in_use} of {held.limit} {noun} {of} {verb} running."


def _of_idle_workers(workers: _Workers, held: list[_Held], found: dict[str, Any]) -> dict[str, Any]:
    """No execution starts until an operator acts, whatever the limits are."""
    also = [one.reason for one in held]
    place, in_line = found["cluster_ahead"] + 1, found["cluster_line"]
    if workers.suspended:
        said, unknown = (
            "The workers are suspended in RQ and take no jobs until they are resumed.",
            "Workers are suspended.",
        )
        return _answer("workers_suspended", said, place=place, in_line=in_line, unknown=unknown, also=also)
    said = (
        "No worker is running. Start one to run this execution."
        if workers.live == 0
        else "Redis does not respond; workers receive their jobs through it."
    )
    return _answer("no_worker", said, limit=0, in_use=0, place=place, in_line=in_line, unknown="No worker.", also=also)


def _of_admitted(found: dict[str, Any], workers: _Workers) -> dict[str, Any]:
    if not workers.live or workers.suspended:
        return _of_idle_workers(workers, [], found) | {
            "place": workers.jobs_ahead + 1,
            "in_line": workers.jobs_ahead + 1,
        }
    slots = workers.live * settings.WORKER_CONCURRENCY
    place = workers.jobs_ahead + 1
    if found["running"] >= slots:
        said = (
            f"Waiting for a worker: all {slots} slots of {workers.live} running workers are in use; "
            f"{workers.jobs_ahead} jobs are ahead."
        )
        return _answer(
            "workers_busy", said, limit=slots, in_use=found["running"], place=place, in_line=place,
            unknown="The time depends on which slot becomes free first.",
        )  # fmt: skip
    said = "Admitted; about to be passed to a worker."
    return _answer("on_its_way", said, limit=slots, in_use=found["running"], place=place, in_line=place,
                   expected_start=timezone.now())  # fmt: skip


def _answer(
    reason: Reason,
    detail: str,
    *,
    place: int,
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
        "place": place,
        "in_line": in_line,
        "holders": holders or [],
        "other_holders": other_holders,
        "expected_start": expected_start,
        "expected_start_unknown": unknown or None,
        "also": also or [],
    }

"""Runs the filters and transformations of endpoints in sandbox processes, in batches of one workspace.

Sender threads do not wait for them, and slow scripts of one workspace do not delay those of another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from webhooks import transforms
from webhooks.models import Origin
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.transforms import TransformResult
from workflow_platform.core.sandbox.batching import Batches
from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.short_tasks import machine_failed
from workflow_platform.core.sandbox.task import Reply, Task

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 50
MOST_BYTES_AT_ONCE = 4 * 2**20
LONGEST_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""Wait this long before deliveries are released for which no sandbox process was available."""
OUTPUT_LIMIT_BYTES = transforms.BYTES_TOGETHER + 16 * transforms.MOST_BODY_BYTES
"""Includes the last result: a text can be up to six times as large as JSON, with its headers."""


class Scripts:
    """Applies the scripts of endpoints. The callbacks run in other threads:

    `on_result(claimed, result)` with the return value of `prepare`, `on_failure(claimed, reason)` if a script failed,
    and `on_unavailable(claimed)` if there was no sandbox process.
    """

    def __init__(
        self,
        on_result: Callable[[ClaimedDelivery, TransformResult | bool | None], None],
        on_failure: Callable[[ClaimedDelivery, str], None],
        on_unavailable: Callable[[ClaimedDelivery], None],
    ) -> None:
        self._on_result, self._on_failure, self._on_unavailable = on_result, on_failure, on_unavailable
        self._batches: Batches[ClaimedDelivery] = Batches(
            "endpoint scripts", MOST_AT_ONCE, self._prepare, self._give_up
        )

    def put(self, claimed: ClaimedDelivery) -> None:
        """Queue a delivery for its scripts."""
        self._batches.put(str(claimed.receiver.workspace_id), claimed)

    def _prepare(self, workspace: str, batch: Sequence[ClaimedDelivery]) -> Sequence[ClaimedDelivery]:
        count, size = 1, 0
        while count < len(batch) and (size := size + len(batch[count].body)) <= MOST_BYTES_AT_ONCE:
            count += 1
        admitted, left = batch[:count], batch[count:]
        task = _task(admitted)
        # A separate group, so that the code of the workspace's executions does not delay its deliveries.
        reply = sandbox().run(task, group=f"{workspace} deliveries", within_seconds=LONGEST_SECONDS)
        if reply.failure:
            return [*self._after_failure(workspace, admitted, task, reply), *left]
        answers = orjson.loads(reply.parts[0])
        for claimed, answer in zip(admitted, answers, strict=True):
            self._take(claimed, answer)
        return [*(claimed for claimed, answer in zip(admitted, answers, strict=True) if answer is None), *left]

    def _take(self, claimed: ClaimedDelivery, answer: dict[str, Any] | None) -> None:
        if answer is None:
            return
        if "error" in answer:
            self._on_failure(claimed, answer["error"])
        else:
            made = answer["made"]
            self._on_result(claimed, TransformResult(**made) if isinstance(made, dict) else made)

    def _after_failure(
        self, workspace: str, admitted: Sequence[ClaimedDelivery], task: Task, reply: Reply
    ) -> Sequence[ClaimedDelivery]:
        """Find the delivery whose script exceeded the limits. Returns those to run later."""
        if machine_failed(reply):
            logger.warning(
                "filters and transformations of deliveries not run: %s; retrying in %g s",
                reply.explain(task, "The script"),
                PAUSE_SECONDS,
                extra={"workspace_id": workspace, "count": len(admitted), "retry_seconds": PAUSE_SECONDS},
            )
            time.sleep(PAUSE_SECONDS)
            for claimed in admitted:
                self._on_unavailable(claimed)
            return []
        if len(admitted) > 1:
            return [*self._prepare(workspace, admitted[:1]), *admitted[1:]]
        if reply.failure == "time":
            why = f"The script took longer than {transforms.TIME_LIMIT_SECONDS:g} s, the limit."
        else:
            why = reply.explain(task, "The script")
        self._on_failure(admitted[0], why)
        return []

    def _give_up(self, batch: Sequence[ClaimedDelivery]) -> None:
        for claimed in batch:
            self._on_unavailable(claimed)


def _task(batch: Sequence[ClaimedDelivery]) -> Task:
    scripts = [
        ["" if claimed.origin == Origin.TEST else claimed.receiver.filter, claimed.receiver.transform]
        for claimed in batch
    ]
    return Task(
        "webhooks.transforms:run",
        [orjson.dumps(scripts), *(claimed.body.encode() for claimed in batch)],
        transforms.SECONDS_TOGETHER + 2 * transforms.TIME_LIMIT_SECONDS,
        transforms.MEMORY_LIMIT_BYTES,
        OUTPUT_LIMIT_BYTES,
    )

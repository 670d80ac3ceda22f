"""Filters and transformations of deliveries: run in sandbox processes, in batches of one workspace.

No thread that sends waits for them, and the slow ones of one workspace keep no other's waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from webhooks import transforms
from webhooks.models import Origin
from webhooks.sending.message import Claimed
from webhooks.transforms import Prepared
from workflow_platform.core.sandbox.asking import machine_failed
from workflow_platform.core.sandbox.batching import Batches
from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.task import Reply, Task

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 50
MOST_BYTES_AT_ONCE = 4 * 2**20
LONGEST_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""Before deliveries are given back that could not be prepared because of the machine."""
OUTPUT_LIMIT_BYTES = transforms.BYTES_TOGETHER + 16 * transforms.MOST_BODY_BYTES
"""Of the last one, too: what a text becomes as JSON is up to six times as large, with its headers."""


class Scripts:
    """Has deliveries prepared. All functions that it is given are called in other threads:

    `made(claimed, what)` with what `preparing.prepare` returns, `failed(claimed, why)` where a script failed, and
    `undone(claimed)` where nothing is known, since there was no sandbox process.
    """

    def __init__(
        self,
        made: Callable[[Claimed, Prepared | bool | None], None],
        failed: Callable[[Claimed, str], None],
        undone: Callable[[Claimed], None],
    ) -> None:
        self._made, self._failed, self._undone = made, failed, undone
        self._batches: Batches[Claimed] = Batches("endpoint scripts", MOST_AT_ONCE, self._prepare, self._give_up)

    def put(self, claimed: Claimed) -> None:
        """Have a delivery prepared."""
        self._batches.put(str(claimed.receiver.workspace_id), claimed)

    def _prepare(self, workspace: str, batch: Sequence[Claimed]) -> Sequence[Claimed]:
        count, size = 1, 0
        while count < len(batch) and (size := size + len(batch[count].body)) <= MOST_BYTES_AT_ONCE:
            count += 1
        asked, left = batch[:count], batch[count:]
        task = _task(asked)
        # A group beside that of the workspace's executions: their code does not keep its deliveries waiting.
        reply = sandbox().run(task, group=f"{workspace} deliveries", within_seconds=LONGEST_SECONDS)
        if reply.failure:
            return [*self._after_failure(workspace, asked, task, reply), *left]
        answers = orjson.loads(reply.parts[0])
        for claimed, answer in zip(asked, answers, strict=True):
            self._take(claimed, answer)
        return [*(claimed for claimed, answer in zip(asked, answers, strict=True) if answer is None), *left]

    def _take(self, claimed: Claimed, answer: dict[str, Any] | None) -> None:
        if answer is None:
            return
        if "error" in answer:
            self._failed(claimed, answer["error"])
        else:
            made = answer["made"]
            self._made(claimed, Prepared(**made) if isinstance(made, dict) else made)

    def _after_failure(self, workspace: str, asked: Sequence[Claimed], task: Task, reply: Reply) -> Sequence[Claimed]:
        """Find out which one broke the limits of the process. Returns those that come later."""
        if machine_failed(reply):
            logger.warning("deliveries of workspace %s wait: %s", workspace, reply.explain(task, "The script"))
            time.sleep(PAUSE_SECONDS)
            for claimed in asked:
                self._undone(claimed)
            return []
        if len(asked) > 1:
            return [*self._prepare(workspace, asked[:1]), *asked[1:]]
        if reply.failure == "time":
            why = f"The script took longer than {transforms.TIME_LIMIT_SECONDS:g} s."
        else:
            why = reply.explain(task, "The script")
        self._failed(asked[0], why)
        return []

    def _give_up(self, batch: Sequence[Claimed]) -> None:
        for claimed in batch:
            self._undone(claimed)


def _task(batch: Sequence[Claimed]) -> Task:
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

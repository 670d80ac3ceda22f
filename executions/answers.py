"""Who waits, in a web process, for an execution's answer or end: told by a group message, or by asking the database.

A worker sends one message for those executions that are `awaited`; a message may be lost, so that a waiter also looks
for itself, at longer and longer intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels import DEFAULT_CHANNEL_LAYER
from channels.db import database_sync_to_async
from channels.layers import channel_layers

from events import live
from executions.models import Execution
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

GROUP = "answers"
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.25, 2.0


def tell(execution_ids: Sequence[UUID]) -> None:
    """Wake whoever waits for these executions. Never raises."""
    live.send_messages([(GROUP, {"type": "answers", "ids": [str(i) for i in execution_ids]})])


class _Listener:
    """One per event loop: hears the group's messages and wakes the waiters of this process."""

    def __init__(self) -> None:
        self.waiters: dict[str, set[asyncio.Event]] = {}
        self.task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        layer: Any = channel_layers[DEFAULT_CHANNEL_LAYER]
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while True:
                    message = await layer.receive(channel)
                    for id_ in message["ids"]:
                        for event in self.waiters.get(id_, ()):
                            event.set()
            except Exception as error:  # whatever Redis raises: waiters look for themselves meanwhile
                logger.warning("answers are polled for: %s", error)
                await asyncio.sleep(1)


_listeners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Listener] = weakref.WeakKeyDictionary()


async def wait_for(execution_id: UUID, seconds: float, *, answered: bool = False) -> dict[str, Any]:
    """Wait for the execution's end, or with `answered` for its response if that comes first, at most so long.

    Returns `{status, response}` as they are then.
    """
    loop = asyncio.get_running_loop()
    listener = _listeners.setdefault(loop, _Listener())
    if listener.task is None or listener.task.done():
        listener.task = loop.create_task(listener.listen())
    event = asyncio.Event()
    listener.waiters.setdefault(str(execution_id), set()).add(event)
    deadline, pause = loop.time() + seconds, FIRST_LOOK_SECONDS
    try:
        while True:
            left = deadline - loop.time()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), max(0, min(pause, left)))
            event.clear()
            pause = min(LONGEST_LOOK_SECONDS, pause * 2)
            state: dict[str, Any] = await _look(execution_id)
            done = ExecutionStatus(state["status"]).ended or (answered and state["response"] is not None)
            if done or loop.time() >= deadline:
                return state
    finally:
        waiters = listener.waiters[str(execution_id)]
        waiters.discard(event)
        if not waiters:
            del listener.waiters[str(execution_id)]


@database_sync_to_async
def _look(execution_id: UUID) -> dict[str, Any]:
    return dict(Execution.objects.values("status", "response").get(pk=execution_id))


def wait_for_end(execution: Execution, seconds: float) -> bool:
    """Wait, in a thread, for the execution's end. Tells whether it came; `execution` is up to date then."""
    if not seconds:
        return False
    state = async_to_sync(wait_for)(execution.pk, seconds)
    execution.refresh_from_db()
    return ExecutionStatus(state["status"]).ended

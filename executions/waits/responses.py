"""Who waits, in a web process, for an execution's answer or end: told by a group message, or by asking the database.

A worker sends one message for those executions that are `awaited`; a message may be lost, so that a waiter also looks
for itself, at longer and longer intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from asgiref.sync import async_to_sync
from channels import DEFAULT_CHANNEL_LAYER
from channels.db import database_sync_to_async
from channels.layers import channel_layers

from events.streaming import publisher
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, NodeRun

logger = logging.getLogger(__name__)

GROUP = "answers"
MAX_STATE_BYTES = 64 * 1024
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.25, 2.0


def notify(execution_id: UUID, state: dict[str, Any] | None = None) -> None:
    """Wake whoever waits for the execution; `state` (as `wait_for` returns it) spares them a look. Never raises."""
    if state is not None and len(orjson.dumps(state, default=str)) > MAX_STATE_BYTES:
        state = None
    publisher.send_messages([(GROUP, {"type": "answers", "id": str(execution_id), "state": state})])


@dataclass(eq=False, slots=True)
class _Waiter:
    event: asyncio.Event = field(default_factory=asyncio.Event)
    state: dict[str, Any] | None = None


class _Listener:
    """One per event loop: hears the group's messages and wakes the waiters of this process."""

    def __init__(self) -> None:
        self.waiters: dict[str, set[_Waiter]] = {}
        self.task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        layer: Any = channel_layers[DEFAULT_CHANNEL_LAYER]
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while True:
                    message = await layer.receive(channel)
                    for waiter in self.waiters.get(message["id"], ()):
                        waiter.state = message["state"]
                        waiter.event.set()
            except Exception as error:  # whatever Redis raises: waiters look for themselves meanwhile
                logger.warning("answers are polled for: %s", error)
                await asyncio.sleep(1)


_listeners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Listener] = weakref.WeakKeyDictionary()


async def wait_for(execution_id: UUID, seconds: float, *, answered: bool = False) -> dict[str, Any]:
    """Wait for the execution's end, or with `answered` for its response if that comes first, at most so long.

    Returns `{status, response, items}` as they are then; `items` is the result of an execution that has completed.
    """
    loop = asyncio.get_running_loop()
    listener = _listeners.setdefault(loop, _Listener())
    if listener.task is None or listener.task.done():
        listener.task = loop.create_task(listener.listen())
    waiter = _Waiter()
    listener.waiters.setdefault(str(execution_id), set()).add(waiter)
    deadline, pause = loop.time() + seconds, FIRST_LOOK_SECONDS
    try:
        while True:
            left = deadline - loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0, min(pause, left))):
                    await waiter.event.wait()
            waiter.event.clear()
            pause = min(LONGEST_LOOK_SECONDS, pause * 2)
            told, waiter.state = waiter.state, None
            state: dict[str, Any] = told or await _look(execution_id)
            done = ExecutionStatus(state["status"]).ended or (answered and state["response"] is not None)
            if done or loop.time() >= deadline:
                return state
    finally:
        waiters = listener.waiters[str(execution_id)]
        waiters.discard(waiter)
        if not waiters:
            del listener.waiters[str(execution_id)]


@database_sync_to_async
def _look(execution_id: UUID) -> dict[str, Any]:
    found = Execution.objects.only("status", "response").get(pk=execution_id)
    completed = found.status == ExecutionStatus.COMPLETED.value
    return {
        "status": found.status,
        "response": found.response,
        "items": result_items(found) if completed and found.response is None else [],
    }


def result_items(execution: Execution) -> list[dict[str, Any]]:
    """Return what the last node run that gave something gave: the result of the execution."""
    given = NodeRun.objects.filter(execution=execution, output__isnull=False).exclude(output={})
    last = given.order_by("ended_at", "id").last()
    return next(iter((last.output or {}).values()), []) if last else []


def wait_for_end(execution: Execution, seconds: float) -> bool:
    """Wait, in a thread, for the execution's end. Tells whether it came; `execution` is up to date then."""
    if not seconds:
        return False
    state = async_to_sync(wait_for)(execution.pk, seconds)
    execution.refresh_from_db()
    return ExecutionStatus(state["status"]).ended

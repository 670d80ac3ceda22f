"""Waits in a web process for the response or the end of an execution: by group message, and by polling the database.

A worker sends one message for each execution that is `awaited`. A message may be lost, so a waiter also polls, at
increasing intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from asgiref.sync import async_to_sync
from channels import DEFAULT_CHANNEL_LAYER
from channels.db import database_sync_to_async
from channels.layers import channel_layers
from django.conf import settings
from django.db.models import Sum

from events.streaming import publisher
from executions.domain.final_outputs import FinalOutputs, final_outputs
from executions.domain.graph import Graph
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, NodeRun, Wait, WorkflowVersion
from executions.nodes.registry import output_names
from workflow_platform.core.logs import without_log_context

logger = logging.getLogger(__name__)

GROUP = "answers"
MAX_STATE_BYTES = 64 * 1024
RETRY_SECONDS = 1.0
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.25, 2.0


def notify(execution_id: UUID, state: dict[str, Any] | None = None) -> None:
    """Wake the waiters of the execution; `state`, as `wait_for` returns it, saves them a query. Never raises."""
    if state is not None and len(orjson.dumps(state, default=str)) > MAX_STATE_BYTES:
        state = None
    publisher.send_messages([(GROUP, {"type": "answers", "id": str(execution_id), "state": state})])


@dataclass(eq=False, slots=True)
class _Waiter:
    event: asyncio.Event = field(default_factory=asyncio.Event)
    state: dict[str, Any] | None = None


class _Listener:
    """Receives the messages of the group for one event loop, and wakes its waiters."""

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
            except Exception as error:  # any error of Redis: waiters poll meanwhile
                logger.warning(
                    "notifications of responses not received: %s; polling the database, reconnecting in %g s",
                    error,
                    RETRY_SECONDS,
                    extra={"retry_seconds": RETRY_SECONDS},
                )
                await asyncio.sleep(RETRY_SECONDS)


_listeners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Listener] = weakref.WeakKeyDictionary()


async def wait_for(execution_id: UUID, seconds: float, *, until_response: bool = False) -> dict[str, Any]:
    """Wait up to `seconds` for the execution's end, or with `until_response` for its response if that comes first.

    It does not wait for a person: once the execution is held, and nothing else runs, it returns. Returns the current
    `{status, response, items, held}`; `items` is the result of a completed execution, and `problem`, if
    present, says why it cannot be returned.
    """
    loop = asyncio.get_running_loop()
    listener = _listeners.setdefault(loop, _Listener())
    if listener.task is None or listener.task.done():
        listener.task = loop.create_task(listener.listen(), context=without_log_context())
    waiter = _Waiter()
    listener.waiters.setdefault(str(execution_id), set()).add(waiter)
    deadline, pause = loop.time() + seconds, FIRST_POLL_SECONDS
    try:
        while True:
            left = deadline - loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0, min(pause, left))):
                    await waiter.event.wait()
            waiter.event.clear()
            pause = min(MAX_POLL_SECONDS, pause * 2)
            received, waiter.state = waiter.state, None
            state: dict[str, Any] = received or await _load(execution_id)
            answered = until_response and state["response"] is not None
            held = state.get("held") and state["status"] == ExecutionStatus.WAITING.value
            done = ExecutionStatus(state["status"]).ended or answered or held
            if done or loop.time() >= deadline:
                return state
    finally:
        waiters = listener.waiters[str(execution_id)]
        waiters.discard(waiter)
        if not waiters:
            del listener.waiters[str(execution_id)]


class ResultTooLarge(Exception):
    """The result of the execution has too many bytes to be passed on in one piece."""


@database_sync_to_async
def _load(execution_id: UUID) -> dict[str, Any]:
    execution = Execution.objects.only("status", "response", "version_id").get(pk=execution_id)
    state: dict[str, Any] = {"status": execution.status, "response": execution.response, "items": []}
    if execution.status == ExecutionStatus.WAITING.value:
        state["held"] = Wait.objects.holds().open().filter(execution=execution_id).exists()
    if execution.status == ExecutionStatus.COMPLETED.value and execution.response is None:
        try:
            state["items"] = result_items(execution)
        except ResultTooLarge as error:
            state["problem"] = str(error)
    return state


@lru_cache(maxsize=256)
def _final_outputs(version_id: UUID) -> FinalOutputs:
    version = WorkflowVersion.objects.get(pk=version_id)
    return final_outputs(Graph.parse(version.nodes, version.edges, max_nodes=10**6), output_names)


class ResultPart(NamedTuple):
    """The items of one output of one node run that are part of the result of an execution."""

    run: NodeRun
    output: str
    items: list[dict[str, Any]]


def result_parts(execution: Execution) -> list[ResultPart]:
    """Return the result of a completed execution: the items of all runs of its last nodes (`domain.final_outputs`), by
    the order of the nodes in the workflow, then of their runs. Raises ResultTooLarge."""
    final = _final_outputs(execution.version_id)
    runs = NodeRun.objects.filter(execution=execution, node_id__in=final, output_items__gt=0)
    size = runs.aggregate(size=Sum("output_bytes"))["size"] or 0
    if size > settings.NODE_OUTPUT_MAX_BYTES:
        limit = f"at most {settings.NODE_OUTPUT_MAX_BYTES} are passed on (NODE_OUTPUT_MAX_BYTES)"
        raise ResultTooLarge(f"The result of the execution {execution.pk} has {size} bytes; {limit}.")
    places = {node_id: place for place, node_id in enumerate(final)}
    return [
        ResultPart(run, name, items)
        for run in sorted(runs, key=lambda run: (places[run.node_id], run.run_index))
        for name in final[run.node_id]
        if (items := (run.output or {}).get(name))
    ]


def result_items(execution: Execution) -> list[dict[str, Any]]:
    """Return the items of the result of a completed execution, in order. Raises ResultTooLarge."""
    return [item for part in result_parts(execution) for item in part.items]


def wait_for_end(execution: Execution, seconds: float) -> bool:
    """Wait, in a thread, for the execution's end and refresh `execution`. Returns whether it has ended."""
    if not seconds:
        return False
    state = async_to_sync(wait_for)(execution.pk, seconds)
    execution.refresh_from_db()
    return ExecutionStatus(state["status"]).ended

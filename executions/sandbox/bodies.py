"""Converts large response bodies to JSON text without blocking the threads of the worker."""

from __future__ import annotations

import threading

import orjson
from django.conf import settings

from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.task import Task

CPU_SECONDS = 10


class BodyTooLarge(Exception):
    """The response body exceeds a limit; the message says which."""


def as_json(
    body: bytes, *, content_type: str, group: str, queue: str, cancelled: threading.Event | None = None
) -> orjson.Fragment:
    """Return a body as JSON, to be encoded within an item; `executions.domain.answers` says how it is read.

    Raises BodyTooLarge, Cancelled.
    """
    task = Task(
        "executions.sandbox.json_text:run",
        [content_type.encode(), body],
        CPU_SECONDS,
        settings.NODE_MEMORY_MB * 2**20,
        2 * len(body) + settings.NODE_OUTPUT_MAX_BYTES,
    )
    reply = sandbox().run(task, group=group, queue=queue, cancelled=cancelled)
    if reply.failure:
        raise BodyTooLarge(reply.explain(task, "Reading the response body"))
    return orjson.Fragment(reply.parts[0])

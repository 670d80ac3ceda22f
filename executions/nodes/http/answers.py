"""Makes an item of an answer."""

from __future__ import annotations

from typing import Any

from executions.domain.answers import read_answer
from executions.domain.errors import NodeError
from executions.domain.items import PACKED_BYTES
from executions.nodes.base import NodeContext
from executions.sandbox.bodies import BodyTooLarge, as_json
from workflow_platform.core import outbound
from workflow_platform.core.content.charsets import without_nul
from workflow_platform.core.sandbox.task import TaskCancelled

ALWAYS_LISTS = frozenset({"set-cookie"})
"""Headers whose values cannot be told apart once they are joined."""


def item_of(context: NodeContext[Any], response: outbound.OutboundResponse, *, packed: bool) -> dict[str, Any]:
    """Return an answer as an item. `packed`: the body may be JSON text if it is large. Raises NodeError."""
    headers = headers_of(response.fields)
    content_type = response.headers.get("content-type", "")
    if not packed or len(response.body) <= PACKED_BYTES:
        body = read_answer(content_type, response.body)
    else:
        body = _read_in_sandbox(context, content_type, response.body)
    return {"status": response.status, "headers": headers, "body": body}


def headers_of(fields: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return headers by name: a text, or a list if the header is repeated or of ALWAYS_LISTS."""
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(without_nul(name), []).append(without_nul(_decoded(value)))
    return {name: values if len(values) > 1 or name in ALWAYS_LISTS else values[0] for name, values in by_name.items()}


def _decoded(value: str) -> str:
    """Return the text of a header, which arrives as Latin-1 and often is UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _read_in_sandbox(context: NodeContext[Any], content_type: str, body: bytes) -> Any:
    queue = str(context.evaluator.scope.execution.get("id", ""))
    try:
        return as_json(
            body, content_type=content_type, group=context.workspace, queue=queue, cancelled=context.cancelled
        )
    except BodyTooLarge as error:
        raise NodeError(str(error)) from None
    except TaskCancelled:
        raise NodeError("Cancelled.") from None

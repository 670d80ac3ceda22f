from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from executions.domain.errors import NodeError
from executions.models import WaitKind
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, WaitFor

WAYS = "Give exactly one of `seconds`, `until` and `webhook`."


class WaitParameters(Parameters):
    seconds: float | None = Field(None, title="Seconds", description="How long to wait.", ge=0, le=366 * 86_400)
    until: AwareDatetime | None = Field(None, title="Until", description="Or until when: a date and time with offset.")
    webhook: bool = Field(
        False,
        title="For a call",
        description="Or until $execution.resumeUrl is called: the request is the item that it goes on with.",
    )
    timeout_seconds: float | None = Field(
        None,
        title="Time-out",
        description="How long to wait for the call; empty: as long as it takes.",
        gt=0,
        le=366 * 86_400,
    )
    on_timeout: Literal["error", "continue"] = Field(
        "error", title="When no call came", description="The node fails, or hands on the items that it got."
    )


class WaitNode(NodeType[WaitParameters]):
    type = "wait"
    label = "Wait"
    description = "Hands its items on after a time, or goes on with a call to its URL. No worker is held meanwhile."
    icon = "clock"
    category = "flow"
    Parameters = WaitParameters
    cacheable = False

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        ways = [name for name in ("seconds", "until", "webhook") if parameters.get(name) not in (None, False)]
        if not problems and len(ways) != 1:
            problems.append(("parameters", "choice", WAYS))
        if not problems and "webhook" not in ways and parameters.get("timeout_seconds") is not None:
            problems.append(("parameters.timeout_seconds", "unused", "Only a wait for a call has a time-out."))
        return problems

    def run(self, context: NodeContext[WaitParameters]) -> NodeResult:
        parameters = context.parameters()
        if parameters.webhook:
            return _for_a_call(context, parameters)
        if context.resumed:
            return NodeResult({"main": context.items})
        if (parameters.seconds is None) == (parameters.until is None):
            raise NodeError(f"parameters: {WAYS}")
        until = parameters.until or datetime.now(UTC) + timedelta(seconds=parameters.seconds or 0)
        return NodeResult(wait_for=WaitFor("Waits until a time.", until))


def _for_a_call(context: NodeContext[WaitParameters], parameters: WaitParameters) -> NodeResult:
    if parameters.seconds is not None or parameters.until is not None:
        raise NodeError(f"parameters: {WAYS}")
    seconds = parameters.timeout_seconds
    if not context.resumed:
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return NodeResult(wait_for=WaitFor("Waits for a call to its URL.", until, WaitKind.WEBHOOK))
    if context.outcome is not None:
        return NodeResult({"main": [context.outcome]})
    if parameters.on_timeout == "error":
        raise NodeError(f"No call came within {seconds:g} s." if seconds else "No call came in time.", retryable=True)
    return NodeResult({"main": context.items})

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.lineage import SAME
from executions.models import WaitKind
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, WaitFor

WAYS = "Give exactly one of `seconds`, `until` and `webhook`."


class WaitParameters(Parameters):
    seconds: float | None = Field(None, title="Seconds", description="How long to wait.", ge=0, le=366 * 86_400)
    until: datetime | None = Field(
        None,
        title="Until",
        description="Or a date and time until which to wait; without an offset, in the time zone of the workflow.",
    )
    webhook: bool = Field(
        False,
        title="For a call",
        description="Or wait until $execution.resumeUrl is called. The request becomes the item.",
    )
    timeout_seconds: float | None = Field(
        None,
        title="Timeout",
        description="How long to wait for the call. If empty, there is no limit.",
        gt=0,
        le=366 * 86_400,
    )
    on_timeout: Literal["error", "continue"] = Field(
        "error", title="On timeout", description="Fail, or continue with the items."
    )


class WaitNode(NodeType[WaitParameters]):
    type = "wait"
    label = "Wait"
    description = "Waits for a time, or for a call to its URL. Occupies no worker while waiting."
    icon = "clock"
    category = "flow"
    Parameters = WaitParameters
    effect = "waits"
    cacheable = False

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        ways = [name for name in ("seconds", "until", "webhook") if parameters.get(name) not in (None, False)]
        if not problems and len(ways) != 1:
            problems.append(("parameters", "choice", WAYS))
        if not problems and "webhook" not in ways and parameters.get("timeout_seconds") is not None:
            problems.append(
                (
                    "parameters.timeout_seconds",
                    "unused",
                    "A timeout applies only to a wait for a call. Set `webhook`, or remove it.",
                )
            )
        return problems

    def run(self, context: NodeContext[WaitParameters]) -> NodeResult:
        parameters = context.parameters()
        if parameters.webhook:
            return _wait_for_call(context, parameters)
        if context.resumed:
            return NodeResult({"main": context.items}, {"main": SAME})
        if (parameters.seconds is None) == (parameters.until is None):
            raise NodeError(f"parameters: {WAYS}")
        until = parameters.until or datetime.now(UTC) + timedelta(seconds=parameters.seconds or 0)
        if until.tzinfo is None:
            until = until.replace(tzinfo=ZoneInfo(context.timezone))
        return NodeResult(wait_for=WaitFor(f"Waiting until {until.isoformat(timespec='seconds')}.", until))


def _wait_for_call(context: NodeContext[WaitParameters], parameters: WaitParameters) -> NodeResult:
    if parameters.seconds is not None or parameters.until is not None:
        raise NodeError(f"parameters: {WAYS}")
    seconds = parameters.timeout_seconds
    if not context.resumed:
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return NodeResult(wait_for=WaitFor("Waiting for a call to the resume URL.", until, WaitKind.WEBHOOK))
    if context.outcome is not None:
        return NodeResult({"main": [context.outcome]}, {"main": [list(range(len(context.items)))]})
    if parameters.on_timeout == "error":
        raise NodeError(
            f"No call was received within {seconds:g} s." if seconds else "No call was received in time.",
            retryable=True,
        )
    return NodeResult({"main": context.items}, {"main": SAME})

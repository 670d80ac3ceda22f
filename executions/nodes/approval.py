from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.lineage import SAME
from executions.models import WaitKind
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, WaitFor
from workflow_platform.core.accounts.models import User

MAX_MESSAGE = 5_000


class ApprovalParameters(Parameters):
    message: str = Field("", title="Message", description="The question to decide.", max_length=MAX_MESSAGE)
    assignee: str = Field(
        "",
        title="Assignee",
        description="Username or email of the member who decides. If empty, any editor can decide.",
        max_length=254,
    )
    expires_seconds: float | None = Field(
        None, title="Expires after", description="Seconds until the items are sent to `expired`.", gt=0, le=366 * 86_400
    )


class Approval(NodeType[ApprovalParameters]):
    type = "approval"
    label = "Approval"
    description = "Waits until a person approves or rejects, and adds the decision to the items. Occupies no worker."
    icon = "check"
    category = "flow"
    Parameters = ApprovalParameters
    effect = "waits"
    cacheable = False
    outputs = ("approved", "rejected")
    blocking = True
    pure = True

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        return (*self.outputs, "expired") if parameters.get("expires_seconds") is not None else self.outputs

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        assignee = parameters.get("assignee") or ""
        if "{{" in assignee:
            return []
        try:
            _member(workspace, assignee)
        except NodeError as error:
            return [("parameters.assignee", "unknown", str(error).removeprefix("parameters.assignee: "))]
        return []

    def run(self, context: NodeContext[ApprovalParameters]) -> NodeResult:
        if context.resumed:
            decision = context.outcome or {"decision": "expired", "by": None, "at": None, "comment": "", "fields": {}}
            details = {name: value for name, value in decision.items() if name != "fields"}
            items = [item | decision["fields"] | {"approval": details} for item in context.items]
            return NodeResult({decision["decision"]: items}, {decision["decision"]: SAME})
        assert context.node_run is not None
        parameters = context.parameters()
        assignee = _member(context.node_run.execution.workspace_id, parameters.assignee)
        seconds = parameters.expires_seconds
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        decider = assignee.get_username() if assignee else "an editor"
        wait = WaitFor(f"Waiting for a decision by {decider}.", until, WaitKind.APPROVAL, parameters.message, assignee)
        return NodeResult(wait_for=wait)


def _member(workspace_id: UUID, reference: str) -> User | None:
    """Return the member with that username or email; None if `reference` is empty. Raises NodeError."""
    if not reference:
        return None
    members = User.objects.filter(memberships__workspace=workspace_id, is_active=True)
    matches = list(members.filter(username=reference)) or list(members.filter(Q(email__iexact=reference))[:2])
    if len(matches) != 1:
        how_many = "several members have" if matches else "no member of this workspace has"
        raise NodeError(f"parameters.assignee: {how_many} the username or email {reference!r}.")
    return matches[0]

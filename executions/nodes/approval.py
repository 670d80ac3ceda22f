from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from pydantic import Field

from executions.domain.errors import NodeError
from executions.models import WaitKind
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, WaitFor
from workflow_platform.core.accounts.models import User

MAX_MESSAGE = 5_000


class ApprovalParameters(Parameters):
    message: str = Field("", title="Message", description="What is to be decided.", max_length=MAX_MESSAGE)
    assignee: str = Field(
        "",
        title="Assignee",
        description="User name or e-mail of a member who decides; empty: any editor.",
        max_length=254,
    )
    expires_seconds: float | None = Field(
        None, title="Expires after", description="Seconds until the items go to `expired`.", gt=0, le=366 * 86_400
    )


class Approval(NodeType[ApprovalParameters]):
    type = "approval"
    label = "Approval"
    description = "Waits until a person approves or rejects. The decision is added to its items. No worker is held."
    icon = "check"
    category = "flow"
    Parameters = ApprovalParameters
    cacheable = False
    outputs = ("approved", "rejected")
    blocking = True
    pure = True

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        return (*self.outputs, "expired") if parameters.get("expires_seconds") is not None else self.outputs

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        wanted = parameters.get("assignee") or ""
        if "{{" in wanted:
            return []
        try:
            _member(workspace, wanted)
        except NodeError as error:
            return [("parameters.assignee", "unknown", str(error).removeprefix("parameters.assignee: "))]
        return []

    def run(self, context: NodeContext[ApprovalParameters]) -> NodeResult:
        if context.resumed:
            decided = context.outcome or {"decision": "expired", "by": None, "at": None, "comment": "", "fields": {}}
            about = {name: value for name, value in decided.items() if name != "fields"}
            items = [item | decided["fields"] | {"approval": about} for item in context.items]
            return NodeResult({decided["decision"]: items})
        assert context.node_run is not None
        parameters = context.parameters()
        assignee = _member(context.node_run.execution.workspace_id, parameters.assignee)
        seconds = parameters.expires_seconds
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        whose = f"{assignee.get_username()}'s decision" if assignee else "an editor's decision"
        wait = WaitFor(f"Waits for {whose}.", until, WaitKind.APPROVAL, parameters.message, assignee)
        return NodeResult(wait_for=wait)


def _member(workspace_id: UUID, named: str) -> User | None:
    """Return the member with that user name or e-mail; None for nobody in particular. Raises NodeError."""
    if not named:
        return None
    members = User.objects.filter(memberships__workspace=workspace_id, is_active=True)
    found = list(members.filter(username=named)) or list(members.filter(Q(email__iexact=named))[:2])
    if len(found) != 1:
        how_many = "several members have" if found else "no member of this workspace has"
        raise NodeError(f"parameters.assignee: {how_many} the user name or e-mail {named!r}.")
    return found[0]

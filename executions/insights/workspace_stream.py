"""The stream of a workspace: it tells its members that an insight was raised or no longer applies."""

from __future__ import annotations

from uuid import UUID

from events import log
from events.catalogue.stream_names import WORKSPACE
from events.log import NewEvent
from events.log.models import Stream
from executions.models import Insight

SOURCE = "executions.insights"


def announce_raised(insight: Insight) -> None:
    """Append `insight.raised`, inside the caller's transaction."""
    _append(insight, "raised", text=insight.figure["text"])


def announce_cleared(insight: Insight, reason: str) -> None:
    """Append `insight.cleared`, inside the caller's transaction."""
    _append(insight, "cleared", reason=reason)


def _append(insight: Insight, what: str, **further: str) -> None:
    if insight.workspace_id is None:
        return  # of the installation: no workspace may read it
    workflow = str(insight.workflow_id) if insight.workflow_id else None
    about = {"insight": str(insight.pk), "kind": str(insight.kind), "workflow": workflow}
    data = about | {"node": insight.subject.get("node")} | further
    log.append([NewEvent(_stream(insight.workspace_id), f"insight.{what}", data, SOURCE)])


def _stream(workspace: UUID) -> int:
    """Return the id of the workspace's stream. A workspace that was created in bulk gets one now."""
    name = f"{WORKSPACE}{workspace}"
    known = Stream.objects.filter(name=name).values_list("pk", flat=True).first()
    return log.open_stream(name, workspace).pk if known is None else known

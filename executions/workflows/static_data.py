"""The static data of a workflow, as people see, replace and reset it: each change appends an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from events import log
from events.log import NewEvent
from executions.domain.static_data import WHOLE_WORKFLOW
from executions.models import StaticData, Workflow
from workflow_platform.core import exact_json
from workflow_platform.core.accounts.models import User

SOURCE = "executions.static_data"
EMPTY = "{}"
MOST_NAMED = 100
"""How many nodes an event names."""


class StaticDataRefused(Exception):
    """Static data cannot be stored; `field` says which part, and the message why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def shown(workflow: Workflow) -> dict[str, Any]:
    """Return the static data: `global`, and `nodes` by the node's id, with the time of the last change."""
    rows = {row.node_id: row for row in StaticData.objects.filter(workflow=workflow).order_by("node_id")}
    data = {node_id: exact_json.read(row.data) for node_id, row in rows.items() if row.data != EMPTY}
    return {
        "global": data.pop(WHOLE_WORKFLOW, {}),
        "nodes": data,
        "updated_at": max((row.updated_at for row in rows.values()), default=None),
    }


def replace(
    workflow: Workflow, by: User, *, whole: Mapping[str, Any] | None, nodes: Mapping[str, Mapping[str, Any]] | None
) -> None:
    """Replace the data of the whole workflow, and that of all nodes; None keeps what there is. Raises
    StaticDataRefused."""
    parts = {} if whole is None else {WHOLE_WORKFLOW: ("global", whole)}
    parts |= {node_id: (f"nodes.{node_id}", data) for node_id, data in (nodes or {}).items()}
    known = {node["id"] for node in workflow.latest_version.nodes} if workflow.latest_version else set()
    texts = {}
    for node_id, (field, data) in parts.items():
        if field != "global" and node_id not in known:
            raise StaticDataRefused(field, f"The workflow has no node with the id {node_id!r}.")
        texts[node_id] = _text(field, data)
    with transaction.atomic():
        held = _locked(workflow)
        emptied = set[str]() if whole is None else {WHOLE_WORKFLOW}
        if nodes is not None:
            emptied |= held - {WHOLE_WORKFLOW}
        _store(workflow, dict.fromkeys(emptied, EMPTY) | texts)
        _append_event(workflow, by, "replaced", emptied | texts.keys())


def reset(workflow: Workflow, by: User) -> None:
    """Delete the static data of the workflow and of all its nodes."""
    with transaction.atomic():
        held = _locked(workflow)
        _store(workflow, dict.fromkeys(held, EMPTY))
        _append_event(workflow, by, "reset", held)


def _store(workflow: Workflow, texts: Mapping[str, str]) -> None:
    """Write data by node. Empty data keeps its row: a node run that waits for the row would lose its change."""
    now = timezone.now()
    StaticData.objects.bulk_create(
        [
            StaticData(workflow=workflow, node_id=node_id, data=text, updated_at=now)
            for node_id, text in sorted(texts.items())
        ],
        update_conflicts=True,
        unique_fields=["workflow", "node_id"],
        update_fields=["data", "updated_at"],
    )


def _text(field: str, data: Mapping[str, Any]) -> str:
    text = exact_json.write(data)
    if len(text) > (limit := settings.STATIC_DATA_MAX_BYTES):
        raise StaticDataRefused(field, f"Has {len(text)} bytes; at most {limit} are allowed (STATIC_DATA_MAX_BYTES).")
    return text.decode()


def _locked(workflow: Workflow) -> set[str]:
    """Lock the data, so that people's changes and those of node runs follow each other. Returns the nodes that have
    any."""
    # Node runs that add the first data of a node need a key lock of the workflow.
    Workflow.objects.select_for_update(of=("self",), no_key=True).get(pk=workflow.pk)
    rows = StaticData.objects.filter(workflow=workflow).order_by("node_id").select_for_update(of=("self",))
    return {row.node_id for row in rows if row.data != EMPTY}


def _append_event(workflow: Workflow, by: User, change: str, parts: Iterable[str]) -> None:
    data = {
        "name": workflow.name,
        "by": by.get_username(),
        "change": change,
        "nodes": sorted(part for part in parts if part != WHOLE_WORKFLOW)[:MOST_NAMED],
        "whole_workflow": WHOLE_WORKFLOW in parts,
    }
    log.append([NewEvent(workflow.stream_id, "workflow.static_data_changed", data, SOURCE, workflow_id=workflow.pk)])

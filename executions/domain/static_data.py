"""Static data: what code keeps from one execution of a workflow to the next, in all or for one node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_platform.core import exact_json

WHOLE_WORKFLOW: Final = ""
"""The node id of the static data of a whole workflow."""


@dataclass(frozen=True, slots=True)
class StaticChange:
    """What a node run changed: the fields that it set, and the names of those that it removed."""

    node_id: str
    """WHOLE_WORKFLOW, or the node."""
    set: Mapping[str, Any]
    removed: frozenset[str]

    def applied_to(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with the change. Fields that another execution has changed meanwhile stay."""
        return {name: value for name, value in data.items() if name not in self.removed} | dict(self.set)


def change_between(node_id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> StaticChange | None:
    """Return what differs between two states of static data; None if nothing does."""
    changed = {name: value for name, value in after.items() if name not in before or _differs(before[name], value)}
    removed = frozenset(before.keys() - after.keys())
    return StaticChange(node_id, changed, removed) if changed or removed else None


def _differs(one: Any, other: Any) -> bool:
    return exact_json.write(one) != exact_json.write(other)

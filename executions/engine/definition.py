"""Workflow versions as the engine uses them: parsed once for each process, since they never change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from executions.domain.final_outputs import final_outputs
from executions.domain.graph import Graph
from executions.models import WorkflowVersion
from executions.nodes.base import NodeType
from executions.nodes.registry import node_types, output_names


class Definition:
    """A version's graph with its node types and settings."""

    def __init__(self, version: WorkflowVersion) -> None:
        self.id = version.pk
        self.graph = Graph.parse(version.nodes, version.edges, max_nodes=10**6)
        self.settings: Mapping[str, Any] = version.settings
        self.timezone = version.timezone
        types = node_types()
        self.types: dict[str, NodeType[Any]] = {node.id: types[node.type] for node in self.graph.nodes.values()}
        self.final_outputs = final_outputs(self.graph, output_names)

    def is_join(self, node_id: str) -> bool:
        """Return whether the node waits for its inputs."""
        return self.types[node_id].join


@lru_cache(maxsize=256)
def definition(version_id: UUID) -> Definition:
    """Return the definition of a version."""
    return Definition(WorkflowVersion.objects.get(pk=version_id))

"""What node types are made of; modules of node types, also those of other packages, import it from here."""

from executions.domain.errors import NodeError
from executions.domain.items import Items
from executions.nodes.item_node_type import ItemNodeType, PerItemNodeType
from executions.nodes.node_context import NodeContext, NodeResult, Parameters, UsableCredential, WaitFor
from executions.nodes.node_type import Category, NodeType

__all__ = [
    "Category",
    "ItemNodeType",
    "Items",
    "NodeContext",
    "NodeError",
    "NodeResult",
    "NodeType",
    "Parameters",
    "PerItemNodeType",
    "UsableCredential",
    "WaitFor",
]

"""The registry of node types: built-in types, and types that installed packages add.

A package adds a type with an entry point in the group `workflow_platform.node_types` that names a `NodeType` subclass.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from executions.domain.graph import Node
from executions.nodes.aggregate import Aggregate
from executions.nodes.approval import Approval
from executions.nodes.base import NodeType
from executions.nodes.code import Code
from executions.nodes.compare import Compare
from executions.nodes.compress import Compress
from executions.nodes.crypto import Crypto
from executions.nodes.csv import Csv
from executions.nodes.date_time import DateTime
from executions.nodes.execute_workflow import ExecuteWorkflow
from executions.nodes.execution_data import ExecutionData
from executions.nodes.files import Files
from executions.nodes.filter import Filter
from executions.nodes.html_extract import HtmlExtract
from executions.nodes.http_request import HttpRequest
from executions.nodes.if_ import If
from executions.nodes.limit import Limit
from executions.nodes.loop import Loop
from executions.nodes.manual_trigger import ManualTrigger
from executions.nodes.merge import Merge
from executions.nodes.no_op import NoOp
from executions.nodes.postgres import PostgresNode
from executions.nodes.remove_duplicates import RemoveDuplicates
from executions.nodes.rename_keys import RenameKeys
from executions.nodes.respond_to_webhook import RespondToWebhook
from executions.nodes.schedule_trigger import ScheduleTrigger
from executions.nodes.send_email import SendEmail
from executions.nodes.send_webhook import SendWebhook
from executions.nodes.set import Set
from executions.nodes.sort import Sort
from executions.nodes.split_out import SplitOut
from executions.nodes.stop_and_error import StopAndError
from executions.nodes.summarize import Summarize
from executions.nodes.switch import Switch
from executions.nodes.wait import WaitNode
from executions.nodes.webhook_trigger import WebhookTrigger
from executions.nodes.xml import Xml

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "workflow_platform.node_types"
BUILT_IN: tuple[type[NodeType[Any]], ...] = (
    ManualTrigger,
    WebhookTrigger,
    ScheduleTrigger,
    Set,
    If,
    Switch,
    Filter,
    Merge,
    SplitOut,
    Aggregate,
    Loop,
    WaitNode,
    Approval,
    ExecuteWorkflow,
    HttpRequest,
    Code,
    RespondToWebhook,
    NoOp,
    ExecutionData,
    StopAndError,
    Sort,
    Limit,
    RemoveDuplicates,
    RenameKeys,
    Summarize,
    Compare,
    DateTime,
    Crypto,
    HtmlExtract,
    Xml,
    Csv,
    Files,
    Compress,
    SendEmail,
    SendWebhook,
    PostgresNode,
)


@cache
def node_types() -> Mapping[str, NodeType[Any]]:
    """Return all node types by `type`. A type of a package that cannot be loaded is logged and skipped."""
    types: dict[str, NodeType[Any]] = {node_type.type: node_type() for node_type in BUILT_IN}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            node_type = entry_point.load()()
        except Exception:
            logger.exception(
                "node type not loaded from %s; workflows that use it fail until its package is fixed",
                entry_point.value,
                extra={"node_type": entry_point.name},
            )
            continue
        types.setdefault(node_type.type, node_type)
    return MappingProxyType(types)


def output_names(node: Node) -> tuple[str, ...]:
    """Return the outputs of a node, without the one that `on_error` adds; `main` if its type is not installed."""
    node_type = node_types().get(node.type)
    return ("main",) if node_type is None else node_type.output_names(node.parameters)

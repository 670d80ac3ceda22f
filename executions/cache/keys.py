"""Cache keys: a hash of everything that a result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from executions.domain.items import Items, plain
from executions.nodes.base import NodeContext, NodeType


def node_key(workspace_id: UUID, node_type: NodeType[Any], context: NodeContext[Any]) -> str:
    """Return the key of a node run's result: workspace, node type and version, the type's `cache_key` (by default the
    resolved parameters), the credentials, and the items of each input.

    Raises NodeError, or TypeError for a value without a JSON form.
    """
    depends_on = node_type.cache_key(context)
    named = [context.node.parameters.get("credential"), context.node.credentials]
    credentials = [context.mark_credential(str(reference)) for reference in named if reference]
    parts = [workspace_id, node_type.type, node_type.version, depends_on, credentials]
    return _key("node", *parts, inputs=context.inputs)


def execution_key(workspace_id: UUID, version_id: UUID, trigger_node: str, input: Items) -> str:
    """Return the key of an execution's result: workspace, workflow version, trigger node and input."""
    return _key("execution", workspace_id, version_id, trigger_node, inputs={"": input})


FORMAT = 2
"""The form of the stored values. Results that another version has stored in another form have other keys."""


def _key(kind: str, *parts: Any, inputs: Mapping[str, Items]) -> str:
    # Keyed, so that parameters cannot be guessed from the hashes in Redis.
    digest = blake2b(_text([FORMAT, *parts]), digest_size=20, key=_secret(settings.SECRET_KEY))
    for name, items in sorted(inputs.items()):
        digest.update(_text([name, len(items)]))
        for item in items:  # one by one: encoding all at once would hold the interpreter lock
            digest.update(_text(item))
    return f"{kind}:{digest.hexdigest()}"


def _text(value: Any) -> bytes:
    # Not sorted: a result may depend on the order of fields, as the columns of a CSV file do.
    return orjson.dumps(value, default=plain, option=orjson.OPT_NON_STR_KEYS)


@lru_cache(maxsize=4)
def _secret(secret_key: str) -> bytes:
    return sha256(b"result cache" + secret_key.encode()).digest()

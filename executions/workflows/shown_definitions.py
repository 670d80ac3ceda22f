"""Definitions of workflows as viewers see them: literal values under the name of a secret are masked. Pure.

A workflow may contain secrets outside credentials: an Authorization header, a token in a URL, a variable. Editors see
them, since they could also read them from a run.
"""

from __future__ import annotations

from typing import Any

from executions.nodes.literal_secrets import holds_literal
from workflow_platform.core.secrets.secret_names import MASK, is_secret, masked, masked_text

NAMES_ONLY = frozenset({"credential", "credentials", "signing_credential", "also", "auth"})
"""Fields that name credentials or contain such fields; their values are not secret."""
URLS = frozenset({"url", "connection"})


def for_viewers(nodes: Any) -> Any:
    """Return the nodes of a version as viewers see them."""
    if not isinstance(nodes, list):
        return nodes
    return [
        node | {"parameters": _masked(node["parameters"], secret=False)}
        if isinstance(node, dict) and "parameters" in node
        else node
        for node in nodes
    ]


def settings_for_viewers(settings: Any) -> Any:
    """Return the settings of a version, with its variables and sample items as viewers see them."""
    if not isinstance(settings, dict):
        return settings
    shown = dict(settings)
    if "vars" in settings:
        shown["vars"] = _masked(settings["vars"], secret=False)
    if "sample_input" in settings:
        shown["sample_input"] = masked(settings["sample_input"])
    return shown


def _masked(value: Any, secret: bool, name: str = "") -> Any:
    if isinstance(value, dict):
        named = next((each for label in ("name", "key", "header") if isinstance(each := value.get(label), str)), "")
        return {
            key: _masked(inner, _is_secret(key, secret) or (key == "value" and is_secret(named)), key)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner, secret and name not in NAMES_ONLY, name) for inner in value]
    if secret and name not in NAMES_ONLY and isinstance(value, str | int | float) and not isinstance(value, bool):
        return MASK if value != "" and holds_literal(str(value)) else value
    # Other texts may be code, where masking would replace what is not secret.
    return masked_text(value) if name in URLS and isinstance(value, str) else value


def _is_secret(name: str, within: bool) -> bool:
    return within or (name not in NAMES_ONLY and is_secret(name))

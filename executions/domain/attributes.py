"""Attributes of executions: short texts that a workflow sets, by which its executions are found. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from executions.domain.errors import NodeError
from workflow_platform.core.secrets.secret_names import is_secret

MAX_ATTRIBUTES = 20
MAX_KEY = 50
MAX_VALUE = 255
KEY_PATTERN = r"[A-Za-z_][A-Za-z0-9_.\-]*"
_KEY = re.compile(KEY_PATTERN)
_STORABLE = re.compile(r"[^\0\ud800-\udfff]*")
MASK = "***"


def checked(values: Mapping[str, Any], field: str) -> dict[str, str]:
    """Return attributes as they are stored. A value that is null is left out; one whose key is the name of a secret is
    masked. Raises NodeError that names `field`."""
    attributes = {key: _text(key, value, field) for key, value in values.items() if value is not None}
    check_count(attributes, field)
    return {key: MASK if value and is_secret(key) else value for key, value in attributes.items()}


def check_count(attributes: Mapping[str, str], field: str) -> None:
    """Raise NodeError if an execution cannot have so many attributes."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise NodeError(
            f"{field}: the execution would have {len(attributes)} attributes; at most {MAX_ATTRIBUTES} are allowed."
        )


def _text(key: str, value: Any, field: str) -> str:
    if len(key) > MAX_KEY:
        raise NodeError(
            f"{field}: the key {key[:MAX_KEY]!r}… has {len(key)} characters; at most {MAX_KEY} are allowed."
        )
    if not _KEY.fullmatch(key):
        raise NodeError(
            f"{field}: {key!r} is not a valid key. Begin with a letter or `_`, then use letters, digits, `_`, `-`, `.`."
        )
    if isinstance(value, dict | list):
        kind = "a list" if isinstance(value, list) else "an object"
        raise NodeError(f"{field}.{key}: the value must be a text, a number or a boolean; it is {kind}.")
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > MAX_VALUE:
        raise NodeError(f"{field}.{key}: the value has {len(text)} characters; at most {MAX_VALUE} are allowed.")
    if not _STORABLE.fullmatch(text):
        raise NodeError(f"{field}.{key}: the value contains a character that cannot be stored.")
    return text

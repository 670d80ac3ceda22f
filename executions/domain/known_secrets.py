"""Finds the values that have the name of a secret in the data that a node run reads. Pure.

An expression can put such a value where no name tells: `{{ $json.token }}` in a URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from workflow_platform.core.secrets.secret_names import is_secret

MAX_VALUES = 2_000
"""How many values are looked at."""


_has_secret_name = lru_cache(4096)(is_secret)


def secrets_in(*values: Any) -> list[str]:
    """Return the texts under names of secrets in JSON values, as far as MAX_VALUES goes."""
    left = [MAX_VALUES]
    return [secret for value in values for secret in _secrets(value, False, left)]


def _secrets(value: Any, secret: bool, left: list[int]) -> Iterator[str]:
    left[0] -= 1
    if left[0] < 0:
        return
    if isinstance(value, str):
        if secret and value:
            yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets(inner, secret or _has_secret_name(str(name)[:200]), left)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets(inner, secret, left)

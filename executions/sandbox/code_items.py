"""Validates the items that code returns. Pure."""

from __future__ import annotations

from typing import Any

from executions.domain.items import Item


class NotItems(Exception):
    """The code returned a value that is not a list of items; the message says what is wrong."""


def items_of(value: Any) -> list[Item]:
    """Return the items that code returned, each a plain object or `{json: {…}}`. Raises NotItems."""
    if not isinstance(value, list):
        raise NotItems("The code must return a list of items in mode `all`.")
    return [_item(each, index) for index, each in enumerate(value)]


def _item(value: Any, index: int) -> Item:
    if isinstance(value, dict) and set(value) == {"json"} and isinstance(value["json"], dict):
        return value["json"]
    if not isinstance(value, dict):
        raise NotItems(f"The code returned {type(value).__name__} as item {index}; an item must be an object.")
    return value

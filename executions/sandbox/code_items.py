"""Validates the items that code returns, and reads which input items they came from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from executions.domain.binaries import BINARY, file_in
from executions.domain.items import Item
from executions.domain.lineage import Origin, Origins, compact

ENVELOPE = frozenset({"json", "pairedItem", "binary"})
"""The fields of an item with an envelope; the item is what `json` holds."""
_NAMES = {"fileName": "name", "mimeType": "media_type", "fileSize": "size", "id": "reference"}
"""n8n's names of the fields of a file, and ours."""


class NotItems(Exception):
    """The code returned a value that is not a list of items; the message says what is wrong."""


def items_of(value: Any) -> list[Item]:
    """Return the items that code returned, each a plain object or `{json: {…}, binary?, pairedItem?}`. Raises
    NotItems."""
    if not isinstance(value, list):
        raise NotItems(f"The code must return a list of items in mode `all`, not {_kind(value)}.")
    return [_item(each, index) for index, each in enumerate(value)]


def _item(value: Any, index: int) -> Item:
    if not isinstance(value, dict):
        raise NotItems(f"The code returned {_kind(value)} as item {index}; an item must be an object.")
    if not _has_envelope(value):
        return value
    item: Item = value["json"]
    binary = value.get("binary")
    return item if binary is None else _with_binary(item, binary, index)


def _with_binary(item: Item, binary: Any, index: int) -> Item:
    """Return an item with the files of `binary`, which may use n8n's names, in place of its own. Raises NotItems."""
    if not isinstance(binary, dict):
        raise NotItems(f"`binary` of item {index} is {_kind(binary)}; it must be an object of files by key.")
    files = {key: _file(entry, key, index) for key, entry in binary.items()}
    rest = {name: inner for name, inner in item.items() if name != BINARY}
    return rest | {BINARY: files} if files else rest


def _file(entry: Any, key: str, index: int) -> dict[str, Any]:
    place = f"binary.{key[:100]} of item {index}"
    if not isinstance(entry, dict):
        raise NotItems(f"{place} is {_kind(entry)}; it must be a file of an input item.")
    named = entry | {ours: entry[theirs] for theirs, ours in _NAMES.items() if theirs in entry}
    if (file := file_in(named)) is None:
        raise NotItems(
            f"{place} has no reference to a file. Code can pass on files of its items, and cannot make files: return"
            " the content as a field, and use the node files (convert)."
        )
    return file.as_json()


def _kind(value: Any) -> str:
    """Return the JSON type of a value in words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "a number"


def _has_envelope(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("json"), dict) and value.keys() <= ENVELOPE


def origins_of(value: Sequence[Any], known: Sequence[int | None], inputs: int, *, each: bool) -> Origins | None:
    """Return the origins of the items that code returned; None if they are unknown.

    `known` are the indexes of the input items that were returned themselves, changed or not; in mode `each` those of
    the items that the code ran for. In mode `all` a `pairedItem` that names input items is preferred. From a single
    input item everything came.
    """
    origins = list[Origin]()
    for index, item in enumerate(value):
        origin: Origin = known[index] if index < len(known) else None
        if not each and "pairedItem" in item and _has_envelope(item):
            origin = _paired(item["pairedItem"], inputs)
        origins.append(0 if origin is None and inputs == 1 else origin)
    return None if all(origin is None for origin in origins) else compact(origins, inputs)


def _paired(value: Any, inputs: int) -> Origin:
    """Return the origin that `pairedItem` names: a number, `{item, input?}`, or a list of these."""
    if isinstance(value, list):
        numbers = [_paired(each, inputs) for each in value]
        single = [number for number in numbers if isinstance(number, int)]
        return single if len(single) == len(numbers) else None
    if isinstance(value, dict):
        value = value.get("item") if value.get("input") in (0, None) else None
    return value if type(value) is int and 0 <= value < inputs else None

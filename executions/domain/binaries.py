"""Files of items: `{"$binary": {key: {name, media_type, size, reference}}}`. Pure.

An item names its files; the content is in `executions.binaries`. An item that comes from a workflow may hold anything
under the key, so that every value is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from executions.domain.items import Item, PackedItems

BINARY = "$binary"
_QUOTED = b'"$binary"'
DEFAULT_KEY = "data"
OCTETS = "application/octet-stream"
MAX_NAME, MAX_MEDIA_TYPE = 255, 255
_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+(\s*;[\x20-\x7e]*)?", re.ASCII)
_UNFIT = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, characters that reverse the text after them, and half surrogates."""


@dataclass(frozen=True, slots=True)
class FileOfItem:
    """A file as an item describes it. The description is not verified; `reference` is."""

    name: str
    media_type: str
    size: int
    reference: UUID

    def as_json(self) -> dict[str, Any]:
        """Return the description in the form in which items hold it."""
        return {
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
            "reference": str(self.reference),
        }


def files_of(item: Mapping[str, Any]) -> dict[str, FileOfItem]:
    """Return the files of an item by key. Entries that describe no file are left out."""
    entries = item.get(BINARY)
    if not isinstance(entries, Mapping):
        return {}
    files = {key: file_in(entry) for key, entry in entries.items() if isinstance(entry, Mapping)}
    return {key: file for key, file in files.items() if file is not None}


def file_in(entry: Mapping[str, Any]) -> FileOfItem | None:
    """Return the file that an entry of `$binary` describes; None if it describes none."""
    size = entry.get("size")
    try:
        reference = UUID(str(entry.get("reference")))
    except ValueError:
        return None
    return FileOfItem(
        file_name(entry.get("name")),
        media_type(entry.get("media_type")),
        size if isinstance(size, int) and not isinstance(size, bool) else 0,
        reference,
    )


def references_in(items: Iterable[Item]) -> set[UUID]:
    """Return the references of the files of all items."""
    if isinstance(items, PackedItems) and not any(_QUOTED in chunk for chunk in items.chunks):
        return set()  # nothing to parse
    return {file.reference for item in items if BINARY in item for file in files_of(item).values()}


def with_files(item: Item, files: Mapping[str, FileOfItem]) -> Item:
    """Return the item with further files. A file with the same key is replaced."""
    if not files:
        return item
    held = item.get(BINARY)
    entries = dict(held) if isinstance(held, Mapping) else {}
    return {**item, BINARY: entries | {key: file.as_json() for key, file in files.items()}}


def keeping_files(item: Item, source: Item) -> Item:
    """Return `item`, which was made of `source`, with the files of `source` unless it has its own."""
    return item if BINARY not in source or BINARY in item else {**item, BINARY: source[BINARY]}


def file_name(name: object, default: str = "file") -> str:
    """Return the last part of a name or path, without control characters, in at most MAX_NAME characters. The ending is
    kept if the name is cut."""
    text = _UNFIT.sub("", str(name or "")).replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    if text in {"", ".", ".."}:
        return default
    if len(text) <= MAX_NAME:
        return text
    stem, dot, ending = text.rpartition(".")
    return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}" if dot and len(ending) <= 20 else text[:MAX_NAME]


def media_type(value: object, default: str = OCTETS) -> str:
    """Return a media type with its parameters if it is one, else the default."""
    text = str(value or "").strip()
    return text if len(text) <= MAX_MEDIA_TYPE and _MEDIA_TYPE.fullmatch(text) else default

"""Canonical digests of what node runs put out and sent: equal for equal JSON. Pure.

A digest is SHA-256 of canonical JSON (`exact_json.canonical`), in hexadecimal. docs/numbers-and-order.md describes it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from executions.domain.items import Item, Items, PackedItems
from workflow_platform.core import exact_json

AT_ONCE_BYTES = 16 * 1024
"""Outputs up to this size have their digest as soon as they are written, larger ones when it is first asked for."""
_ITEMS_AT_A_TIME = 200


def digest_of(value: dict[str, Any] | list[Any]) -> str:
    """Return the digest of a JSON value."""
    return hashlib.sha256(exact_json.canonical(value)).hexdigest()


def digest_of_outputs(outputs: Mapping[str, Items]) -> str:
    """Return the digest of {output: the digest of its items}. Outputs without items are left out."""
    return digest_of({name: _of_items(items) for name, items in outputs.items() if len(items)})


def keyed(digest: str, key: bytes) -> str:
    """Return a digest as it may be shown: a plain hash of a small secret could be guessed. Equal digests of one
    workspace stay equal. Empty if there is none."""
    return hmac.digest(key, digest.encode(), "sha256").hex() if digest else ""


def workspace_key(secret: str, workspace: str) -> bytes:
    """Return the key for the digests of a workspace, derived from the secret of the installation."""
    return hmac.digest(secret.encode(), b"digests of workspace " + workspace.encode(), "sha256")


def _of_items(items: Items) -> str:
    running = hashlib.sha256(b"[")
    for number, piece in enumerate(_pieces(items)):
        running.update((b"," if number else b"") + exact_json.canonical(piece)[1:-1])
    running.update(b"]")
    return running.hexdigest()


def _pieces(items: Items) -> Iterator[list[Item]]:
    """Yield the items in pieces, between which other threads can run."""
    if isinstance(items, PackedItems):
        yield from (orjson.loads(chunk) for chunk in items.chunks)
    else:
        yield from (list(items[at : at + _ITEMS_AT_A_TIME]) for at in range(0, len(items), _ITEMS_AT_A_TIME))

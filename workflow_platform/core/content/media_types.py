"""What a media type says about a body: JSON, JSON lines, text or bytes. Pure."""

from __future__ import annotations

import base64
from typing import Any

from workflow_platform.core.content.charsets import decode_document, without_nul

JSON_LINES = frozenset({
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/json-lines",
    "application/jsonlines", "application/x-jsonlines", "application/json-seq", "text/x-ndjson", "text/ndjson",
    "application/geo+json-seq", "application/stream+json", "application/x-json-stream",
})  # fmt: skip
"""Several JSON values: one on each line, or each after a record separator (RFC 7464)."""
_BYTES = ("image/", "audio/", "video/", "font/")
_BYTES_TYPES = frozenset({
    "application/gzip", "application/java-archive", "application/msword", "application/pdf", "application/wasm",
    "application/x-7z-compressed", "application/x-bzip2", "application/x-gzip", "application/x-tar",
    "application/x-xz", "application/zip", "application/zstd",
})  # fmt: skip
_BYTES_PREFIXES = ("application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.", "application/vnd.ms-")
_RECORD = "\x1e"


def is_json(media_type: str) -> bool:
    """Return whether a body of this type is one JSON value."""
    return "json" in media_type and media_type not in JSON_LINES


def json_lines(text: str) -> list[str]:
    """Return the JSON texts in a body of a type in JSON_LINES. Empty lines and records are left out."""
    parts = text.split(_RECORD) if _RECORD in text else text.split("\n")
    return [part for part in parts if part.strip()]


def text_or_bytes(raw: bytes, media_type: str, charset: str) -> Any:
    """Return text as a string, anything else as `{base64, size}`.

    A body is text if its type begins with `text/` or a charset is declared, or if its type may be either and it is
    UTF-8 without NUL characters.
    """
    if is_text(media_type) or charset:
        return without_nul(decode_document(raw, media_type, charset))
    if is_bytes(media_type) or b"\0" in raw:
        return binary(raw)
    try:
        return raw.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        return binary(raw)


def binary(raw: bytes) -> dict[str, Any]:
    """Return bytes as a JSON object."""
    return {"base64": base64.b64encode(raw).decode(), "size": len(raw)}


def is_text(media_type: str) -> bool:
    """Return whether a body of this type is text in any case."""
    return (
        media_type.startswith("text/")
        or media_type.endswith(("+xml", "/xml", "/javascript", "/ecmascript", "/x-javascript", "yaml", "/csv", "/sql"))
        or media_type in {"application/x-www-form-urlencoded", "application/graphql", "application/toml"}
        or "json" in media_type
    )


def is_bytes(media_type: str) -> bool:
    """Return whether a body of this type is bytes in any case."""
    return (
        media_type.startswith(_BYTES) or media_type in _BYTES_TYPES or media_type.startswith(_BYTES_PREFIXES)
    ) and not media_type.endswith("+xml")

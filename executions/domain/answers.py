"""Reads the bodies of HTTP answers. Pure."""

from __future__ import annotations

from typing import Any

from workflow_platform.core import exact_json
from workflow_platform.core.content import media_types
from workflow_platform.core.content.charsets import all_without_nul, as_utf8, decode, split_content_type


def read_answer(content_type: str, raw: bytes) -> Any:
    """Return a body as its content type says: parsed JSON, the list of the values of JSON lines, text, or bytes as
    `{base64, size}`. A body that is not the JSON that it claims to be is text, an empty one an empty
    text."""
    media_type, charset = split_content_type(content_type)
    if not raw:
        return ""
    try:
        if media_type in media_types.JSON_LINES:
            return [_read(line.encode()) for line in media_types.json_lines(decode(raw, charset))]
        if media_types.is_json(media_type):
            return _read(as_utf8(raw, charset))
    except exact_json.NotJson:
        pass
    return media_types.text_or_bytes(raw, media_type, charset)


def _read(text: bytes) -> Any:
    value = exact_json.read(text)
    return all_without_nul(value) if b"\\u0000" in text else value

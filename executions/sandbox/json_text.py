"""Converts a response body to JSON text in a sandbox process. No Django."""

from __future__ import annotations

import orjson


def run(parts: list[bytes]) -> list[bytes]:
    """Return `parts[1]` as JSON: unchanged if `parts[0]` is `json` and it parses, otherwise its text as a string."""
    kind, body = parts
    if kind == b"json":
        try:
            return [orjson.dumps(orjson.loads(body))]
        except orjson.JSONDecodeError:
            pass
    return [orjson.dumps(body.decode(errors="replace").replace("\x00", "\ufffd"))]

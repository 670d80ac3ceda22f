"""Converts a response body to JSON text in a sandbox process. No Django."""

from __future__ import annotations

import orjson

from workflow_platform.core import exact_json


def run(parts: list[bytes]) -> list[bytes]:
    """Return `parts[1]` as JSON: unchanged if `parts[0]` is `json` and it parses, otherwise its text as a string."""
    kind, body = parts
    if kind == b"json":
        try:
            return [exact_json.write(exact_json.read(body))]
        except exact_json.NotJson:
            pass
    return [orjson.dumps(body.decode(errors="replace").replace("\x00", "\ufffd"))]

"""Converts a response body to JSON text in a sandbox process. No Django."""

from __future__ import annotations

import orjson

from executions.domain.answers import read_answer


def run(parts: list[bytes]) -> list[bytes]:
    """Return the body `parts[1]`, read as the content type `parts[0]` says, as JSON."""
    content_type, body = parts
    return [orjson.dumps(read_answer(content_type.decode(), body))]

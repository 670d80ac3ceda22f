"""Converts a response body to JSON text in a sandbox process. No Django."""

from __future__ import annotations

from executions.domain.answers import read_answer
from workflow_platform.core import exact_json


def run(parts: list[bytes]) -> list[bytes]:
    """Return the body `parts[1]`, read as the content type `parts[0]` says, as JSON."""
    content_type, body = parts
    return [exact_json.write(read_answer(content_type.decode(), body))]

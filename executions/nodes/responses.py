"""What a called system answered, in the error of a node: redacted and bounded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executions.domain.redaction import Redaction
from executions.nodes.exchanges import shown_headers
from workflow_platform.core import exact_json
from workflow_platform.core.content.charsets import decode, split_content_type, without_nul
from workflow_platform.core.secrets.secret_names import masked_text

MAX_BODY = 16_000
"""The most bytes of a body that an error keeps."""
_READ_BYTES = 4 * MAX_BODY
"""Secrets are replaced before the text is cut, so that no part of one is left at the end."""


def response_of(
    status: int | str, headers: Mapping[str, Any], body: bytes, *, truncated: bool = False
) -> dict[str, Any]:
    """Return an answer as an error carries it, before `shown_response`. The body is null if it is not text."""
    content_type = next((str(value) for name, value in headers.items() if name.lower() == "content-type"), "")
    _, charset = split_content_type(content_type)
    head = body[:_READ_BYTES]
    text = None if b"\0" in head and "16" not in charset and "32" not in charset else decode(head, charset)
    is_cut = truncated or len(body) > _READ_BYTES or text is None
    return {"status": status, "headers": dict(headers), "body": text, "truncated": is_cut and bool(body)}


def shown_response(response: dict[str, Any], redaction: Redaction) -> dict[str, Any]:
    """Return the answer without secrets and with at most MAX_BODY bytes of its body."""
    text, truncated = response["body"], response["truncated"]
    if isinstance(text, str):
        text = masked_text(redaction.text(without_nul(text)))
        encoded = text.encode(errors="replace")
        truncated = truncated or len(encoded) > MAX_BODY
        text = encoded[:MAX_BODY].decode(errors="ignore")
    headers = redaction.value(shown_headers(response["headers"]))
    shown = {"status": response["status"], "headers": headers, "body": text, "truncated": truncated}
    return exact_json.normal(shown)  # type: ignore[no-any-return]

"""Unpacks compressed bodies of requests to /hooks/, after the caller is authenticated."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from executions.triggers.hooks.requests import RefusedRequest
from workflow_platform.core.content.encodings import KNOWN, NotPacked, UnknownEncoding, UnpackedTooLarge, unpacked


class RefusedBody(Exception):
    """The body cannot be unpacked."""

    def __init__(self, refusal: RefusedRequest) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def unpacked_body(headers: Mapping[str, str], body: bytes, max_bytes: int | None) -> bytes:
    """Return the body without its Content-Encoding, the same object if it has none. The limits of bodies apply to the
    unpacked size as well. Raises RefusedBody."""
    encoding = headers.get("content-encoding", "")
    if not encoding or not body:
        return body
    limits = [limit for limit in (settings.DATA_UPLOAD_MAX_MEMORY_SIZE, max_bytes) if limit is not None]
    try:
        return unpacked(body, encoding, min(limits))
    except UnknownEncoding as error:
        raise RefusedBody(RefusedRequest(415, str(error), {"Accept-Encoding": ", ".join(KNOWN)})) from None
    except UnpackedTooLarge as error:
        raise RefusedBody(RefusedRequest(413, str(error))) from None
    except NotPacked as error:
        raise RefusedBody(RefusedRequest(400, str(error))) from None

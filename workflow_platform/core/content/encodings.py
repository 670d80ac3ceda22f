"""Unpacks compressed bodies, up to a limit."""

from __future__ import annotations

import zlib

KNOWN = ("gzip", "deflate")
MAX_ENCODINGS = 2
_NAMES = {"gzip", "x-gzip", "deflate"}


class UnknownEncoding(Exception):
    """The body has a Content-Encoding that is not supported."""


class NotPacked(Exception):
    """The body is not compressed as its Content-Encoding says."""


class UnpackedTooLarge(Exception):
    """The unpacked body is larger than the limit."""


def encodings_of(header: str) -> list[str]:
    """Return the encodings of a Content-Encoding in the order in which they were applied. Raises UnknownEncoding."""
    names = [name for each in header.lower().split(",") if (name := each.strip()) not in {"", "identity"}]
    if unknown := [name for name in names if name not in _NAMES]:
        raise UnknownEncoding(f"The Content-Encoding {unknown[0][:40]!r} is not supported; {' and '.join(KNOWN)} are.")
    if len(names) > MAX_ENCODINGS:
        raise UnknownEncoding(f"The body has {len(names)} encodings; at most {MAX_ENCODINGS} are supported.")
    return names


def unpacked(content: bytes, header: str, limit: int) -> bytes:
    """Return the content without the encodings of its Content-Encoding. Raises UnknownEncoding, NotPacked, and
    UnpackedTooLarge as soon as it has more than `limit` bytes."""
    for name in reversed(encodings_of(header)):
        content = _inflated(content, name, limit) if content else content
    return content


def _inflated(content: bytes, name: str, limit: int) -> bytes:
    window = 32 + zlib.MAX_WBITS  # gzip or zlib, by its head
    if name == "deflate" and not _begins_as_zlib(content):
        window = -zlib.MAX_WBITS  # without a head, as some senders understand "deflate"
    unpacked_so_far = bytearray()
    try:
        while content and len(unpacked_so_far) <= limit:
            decoder = zlib.decompressobj(window)
            unpacked_so_far += decoder.decompress(content, limit + 1 - len(unpacked_so_far))
            if not decoder.eof and len(unpacked_so_far) <= limit:
                raise NotPacked("The compressed body ends early.")
            content = decoder.unused_data.lstrip(b"\0")  # gzip may have several parts, and zeros after the last
    except zlib.error:
        raise NotPacked(f"The body is not {name}, as its Content-Encoding says.") from None
    if len(unpacked_so_far) > limit:
        raise UnpackedTooLarge(f"The unpacked body is larger than {limit} bytes, the limit.")
    return bytes(unpacked_so_far)


def _begins_as_zlib(content: bytes) -> bool:
    head = content[:2]
    return head == b"\x1f\x8b" or (len(head) == 2 and head[0] & 15 == 8 and int.from_bytes(head) % 31 == 0)

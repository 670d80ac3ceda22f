"""Compressed bodies: which are unpacked, and up to which size."""

from __future__ import annotations

import gzip
import zlib

import pytest

from workflow_platform.core.content.encodings import NotPacked, UnknownEncoding, UnpackedTooLarge, unpacked

TEXT = b'{"a": 1}' * 100


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:]) + b"\0\0", "X-GZIP"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
        (gzip.compress(zlib.compress(TEXT)), "deflate, gzip"),
        (TEXT, "identity"),
        (TEXT, ""),
    ],
)
def test_bodies_are_unpacked(content: bytes, encoding: str) -> None:
    assert unpacked(content, encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("content", "encoding", "error"),
    [
        (gzip.compress(TEXT), "br", UnknownEncoding),
        (gzip.compress(TEXT), "gzip, gzip, gzip", UnknownEncoding),
        (gzip.compress(TEXT)[:-5], "gzip", NotPacked),
        (TEXT, "gzip", NotPacked),
        (gzip.compress(b"0" * 50_000_000), "gzip", UnpackedTooLarge),
        (gzip.compress(gzip.compress(b"0" * 50_000_000)), "gzip, gzip", UnpackedTooLarge),
        (gzip.compress(TEXT + b"1"), "gzip", UnpackedTooLarge),
    ],
)
def test_what_cannot_be_unpacked_is_an_error_that_says_why(content: bytes, encoding: str, error: type) -> None:
    with pytest.raises(error):
        unpacked(content, encoding, len(TEXT))

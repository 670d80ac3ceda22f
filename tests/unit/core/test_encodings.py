"""Compressed bodies: which are unpacked, and up to which size."""

from __future__ import annotations

import gzip
import zlib
from functools import partial

import pytest

from workflow_platform.core.content.encodings import NotPacked, UnknownEncoding, UnpackedTooLarge, unpacked

TEXT = b'{"a": 1}' * 100
gzipped = partial(gzip.compress, mtime=0)  # without the time, so that all processes collect the same tests


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (gzipped(TEXT), "gzip"),
        (gzipped(TEXT[:50]) + gzipped(TEXT[50:]) + b"\0\0", "X-GZIP"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
        (gzipped(zlib.compress(TEXT)), "deflate, gzip"),
        (TEXT, "identity"),
        (TEXT, ""),
    ],
)
def test_bodies_are_unpacked(content: bytes, encoding: str) -> None:
    assert unpacked(content, encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("content", "encoding", "error"),
    [
        (gzipped(TEXT), "br", UnknownEncoding),
        (gzipped(TEXT), "gzip, gzip, gzip", UnknownEncoding),
        (gzipped(TEXT)[:-5], "gzip", NotPacked),
        (TEXT, "gzip", NotPacked),
        (gzipped(b"0" * 50_000_000), "gzip", UnpackedTooLarge),
        (gzipped(gzipped(b"0" * 50_000_000)), "gzip, gzip", UnpackedTooLarge),
        (gzipped(TEXT + b"1"), "gzip", UnpackedTooLarge),
    ],
)
def test_what_cannot_be_unpacked_is_an_error_that_says_why(content: bytes, encoding: str, error: type) -> None:
    with pytest.raises(error):
        unpacked(content, encoding, len(TEXT))

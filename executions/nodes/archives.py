"""ZIP and gzip, a piece at a time, with limits on what an archive may unpack to. No Django.

A few kilobytes can unpack to terabytes. What is written is counted, whatever sizes the archive claims.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any, cast

from executions.domain.errors import NodeError
from executions.nodes.file_access import FileReader, FileWriter

MAX_ENTRIES = 1_000
MAX_RATIO = 200
"""How many times its own size an archive may unpack to. Text rarely exceeds 50."""
FREE_BYTES = 10 * 2**20
"""What every archive may unpack to."""
MAX_DIRECTORY = 2**20
"""Bytes of the list of entries, which is read at once."""
PIECE = 256 * 1024
_GZIP = 31  # zlib's number for the gzip format
_ENCRYPTED = 1  # flag of an entry
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Allowance:
    """The bytes that an archive may still unpack to."""

    def __init__(self, file: FileReader) -> None:
        self._name = file.name
        self._most = max(FREE_BYTES, MAX_RATIO * file.size)
        self._left = self._most

    def take(self, size: int) -> None:
        """Use some of it. Raises NodeError if it is exceeded."""
        self._left -= size
        if self._left < 0:
            raise NodeError(
                f"{self._name!r} unpacks to more than {self._most} bytes; the limit is {MAX_RATIO} times its own size,"
                f" or {FREE_BYTES} bytes."
            )


def gzip_pieces(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content compressed."""
    packer = zlib.compressobj(wbits=_GZIP)
    for piece in content:
        yield packer.compress(piece)
    yield packer.flush()


def gunzip_pieces(file: FileReader) -> Iterator[bytes]:
    """Yield the content of a gzip file, of all its members. Raises NodeError."""
    allowance, unpacker, rest, members = Allowance(file), zlib.decompressobj(wbits=_GZIP), b"", 0
    for piece in file.chunks():
        rest += piece
        while rest:
            if unpacker.eof:
                if not rest.startswith(b"\x1f"):
                    return  # padding
                unpacker, members = zlib.decompressobj(wbits=_GZIP), members + 1
            try:
                unpacked = unpacker.decompress(rest, PIECE)
            except zlib.error as error:
                raise NodeError(f"{file.name!r} is not gzip, or damaged: {error}.") from None
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            allowance.take(len(unpacked))
            yield unpacked
            if not unpacked and not unpacker.eof:
                break  # it needs the next piece
    if not unpacker.eof:
        raise NodeError(f"{file.name!r} is not gzip, or cut off.")


class _Sink(io.RawIOBase):
    """Passes what a ZipFile writes on to a file."""

    def __init__(self, file: FileWriter) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._file.write(piece)
        return len(piece)


def write_zip(target: FileWriter, files: Mapping[str, FileReader]) -> Iterator[None]:
    """Write files to a ZIP archive under the given names. Yields after each piece, so that the caller can stop."""
    now = datetime.now(UTC).timetuple()[:6]
    with zipfile.ZipFile(cast("IO[bytes]", _Sink(target)), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            entry = zipfile.ZipInfo(name, now)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=file.size > zipfile.ZIP64_LIMIT) as out:
                for piece in file.chunks():
                    out.write(piece)
                    yield


class _Limited(io.BufferedReader):
    """Refuses to read a directory that is too large into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MAX_DIRECTORY + 1
        content = super().read(most if size is None or size < 0 else min(size, most))
        if len(content) == most:
            raise NodeError(f"The archive's list of entries is larger than {MAX_DIRECTORY} bytes, the limit.")
        return content


def zip_entries(file: FileReader) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the path and the content of each file in a ZIP archive. Raises NodeError."""
    allowance = Allowance(file)
    try:
        with zipfile.ZipFile(_Limited(cast("io.RawIOBase", file))) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_ENTRIES:
                raise NodeError(f"{file.name!r} has {len(entries)} files; the limit is {MAX_ENTRIES}.")
            for entry in entries:
                yield entry.filename, _unpacked(archive, entry, allowance)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise NodeError(f"{file.name!r} is not a ZIP archive, or damaged: {error}.") from None


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, allowance: Allowance) -> Iterator[bytes]:
    if entry.flag_bits & _ENCRYPTED:
        raise NodeError(f"{entry.filename[:200]!r} in the archive is protected by a password.")
    if entry.compress_type not in _METHODS:
        method = zipfile.compressor_names.get(entry.compress_type, str(entry.compress_type))  # type: ignore[attr-defined]
        raise NodeError(
            f"{entry.filename[:200]!r} in the archive is compressed with {method}; only deflate can be unpacked."
        )
    with archive.open(entry) as content:
        while piece := content.read(PIECE):
            allowance.take(len(piece))
            yield piece

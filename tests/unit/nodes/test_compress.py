"""`compress`: files into archives and out of them again, and archives that mean harm."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

import pytest

from executions.domain.binaries import with_files
from executions.domain.errors import NodeError
from executions.nodes import archives
from tests.filing import HeldFiles
from tests.unit.nodes.running import run_in_context


def given(files: HeldFiles, item: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    return list(run_in_context("compress", {"main": [item]}, {"files": files}, **parameters).outputs["main"])


def unpacked(content: bytes, name: str = "a.zip", **parameters: Any) -> tuple[HeldFiles, list[dict[str, Any]]]:
    files = HeldFiles()
    return files, given(files, files.item(name, "application/zip", content, id=7), **parameters)


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return held.getvalue()


def test_files_are_packed_and_unpacked_again() -> None:
    files = HeldFiles()
    contents = {"a": ("same.txt", b"one"), "b": ("same.txt", b"two" * 5000), "c": ("c.bin", b"")}
    named = {key: files.put(name, "text/plain", content) for key, (name, content) in contents.items()}
    [packed] = given(files, with_files({"id": 7}, named), operation="compress", name="all.zip")
    assert list(packed["$binary"]) == ["data"]
    assert packed["$binary"]["data"]["media_type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(files.content(packed))) as archive:
        assert archive.namelist() == ["same.txt", "same (2).txt", "c.bin"]
        assert archive.testzip() is None
    [item] = given(files, packed)
    assert item["id"] == 7
    assert [files.content(item, f"file_{n}") for n in range(3)] == [content for _, content in contents.values()]
    items = given(files, packed, each_file=True)
    assert [each["$binary"]["data"]["name"] for each in items] == ["same.txt", "same (2).txt", "c.bin"]


def test_gzip_packs_one_file_and_unpacks_several_members() -> None:
    files = HeldFiles()
    [packed] = given(
        files, files.item("a.txt", "text/plain", b"text" * 9000), operation="compress", format="gzip", binary="zipped"
    )
    assert list(packed["$binary"]) == ["zipped"]
    assert packed["$binary"]["zipped"]["name"] == "a.txt.gz"
    assert gzip.decompress(files.content(packed, "zipped")) == b"text" * 9000
    files, [item] = unpacked(gzip.compress(b"one, ") + gzip.compress(b"two") + b"\0\0", "log.txt.gz")
    assert files.content(item, "file_0") == b"one, two"
    assert (item["$binary"]["file_0"]["name"], item["$binary"]["file_0"]["media_type"]) == ("log.txt", "text/plain")


def test_paths_in_an_archive_lead_nowhere() -> None:
    _, [item] = unpacked(zipped(("../../etc/passwd", b"x"), ("C:\\temp\\b.png", b"y"), ("folder/", b"")))
    assert [file["name"] for file in item["$binary"].values()] == ["passwd", "b.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense", "'a.zip' is neither a ZIP archive nor gzip"),
        (b"PK\x03\x04 nonsense", "'a.zip' is not a ZIP archive, or damaged"),
        (gzip.compress(b"text" * 1000, mtime=0)[:-12], "'a.zip' is not gzip, or cut off"),
        (b"\x1f\x8b nonsense", "'a.zip' is not gzip, or damaged"),
        (zipped(("a", b"x"), method=zipfile.ZIP_BZIP2), "is compressed with bzip2; only deflate"),
        (zipped(("a", b"x")).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"), "password"),
        (zipped(*[(f"{n}", b"") for n in range(1001)]), "has 1001 files; the limit is 1000"),
        (zipped(*[(f"{n:0200}", b"") for n in range(5000)]), "list of entries is larger than 1048576 bytes"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        unpacked(content)


@pytest.mark.parametrize("pack", [lambda content: zipped(("a", b"kept"), ("b", content)), gzip.compress])
def test_an_archive_that_unpacks_to_too_much_is_stopped_and_leaves_nothing(pack: Any) -> None:
    content = pack(bytes(archives.FREE_BYTES + 1))
    files = HeldFiles()
    item = files.item("bomb", "application/zip", content)
    with pytest.raises(NodeError, match=r"'bomb' unpacks to more than 10485760 bytes; the limit is 200 times"):
        given(files, item)
    assert len(files.held) == 1

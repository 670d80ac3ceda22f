"""Files as items describe them: whatever a workflow has written there."""

from __future__ import annotations

from uuid import uuid4

import orjson
import pytest

from executions.domain.binaries import file_name, files_of, keeping_files, media_type, references_in, with_files
from executions.domain.errors import NodeError
from executions.domain.items import PackedItems
from executions.nodes.file_access import file_of

REFERENCE = uuid4()
FILE = {"name": "a.pdf", "media_type": "application/pdf", "size": 3, "reference": str(REFERENCE)}


@pytest.mark.parametrize("entries", [None, [], "text", 5, {"data": None}, {"data": {}}, {"data": {"reference": "no"}}])
def test_what_describes_no_file_is_left_out(entries: object) -> None:
    assert files_of({"$binary": entries}) == {}
    assert references_in([{"$binary": entries}]) == set()


def test_a_file_is_found_by_its_key_or_the_error_says_which_there_are() -> None:
    assert file_of({"$binary": {"data": FILE}}, "data", 0).as_json() == FILE
    with pytest.raises(
        NodeError, match=r"^parameters.binary: the item has no file 'x'; its files are 'data' \(item 2\)"
    ):
        file_of({"$binary": {"data": FILE}}, "x", 2)
    with pytest.raises(NodeError, match=r"it has no files \(item 0\)"):
        file_of({}, "data", 0)


def test_items_that_are_made_of_others_keep_their_files() -> None:
    source = with_files({"a": 1}, {"data": files_of({"$binary": {"data": FILE}})["data"]})
    assert keeping_files({"b": 2}, source) == {"b": 2, "$binary": {"data": FILE}}
    assert keeping_files({"$binary": {}}, source) == {"$binary": {}}
    assert keeping_files({"b": 2}, {"a": 1}) == {"b": 2}


def test_references_are_found_in_packed_items_too() -> None:
    items = [{"n": 1}, {"$binary": {"data": FILE}}]
    assert references_in(PackedItems([orjson.dumps(items)], [2], [])) == {REFERENCE}
    assert references_in(PackedItems([orjson.dumps([{"n": 1}])], [1], [])) == set()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("C:\\Users\\ann\\report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nb\x00\u202efdp.exe", "abfdp.exe"),
        ("..", "file"),
        (None, "file"),
        ("ä" * 300 + ".pdf", "ä" * 251 + ".pdf"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_one_part_of_a_path_without_control_characters(given: object, kept: str) -> None:
    assert file_name(given) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("image/png", "image/png"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ("text/html\r\nSet-Cookie: a=b", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_a_media_type_is_one_or_else_octets(given: object, kept: str) -> None:
    assert media_type(given) == kept

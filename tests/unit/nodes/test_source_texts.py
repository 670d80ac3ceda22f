"""csv, xml and html_extract read files of items, in a sandbox process that gets these files and no others."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.domain.items import Items
from executions.engine import sandbox_runner
from executions.nodes.registry import node_types
from tests.filing import HeldFiles
from tests.unit.nodes.running import context_of


def parsed(type_: str, files: HeldFiles, items: list[dict[str, Any]], **parameters: Any) -> Items:
    node_type = node_types()[type_]
    context = context_of(node_type, {"main": items}, {"binary": "data"} | parameters, files=files)
    return sandbox_runner.run(node_type, context).outputs["main"]


def test_text_is_read_from_files_in_their_charset() -> None:
    files = HeldFiles()
    sheet = files.item("a.csv", "text/csv; charset=iso-8859-1", "name\nMüller\n".encode("latin-1"))
    assert parsed("csv", files, [sheet, sheet]) == [{"name": "Müller"}, {"name": "Müller"}]
    document = files.item("a.xml", "application/xml", '<?xml version="1.0" encoding="utf-8"?><a>ü</a>'.encode())
    assert parsed("xml", files, [document])[0]["data"] == {"a": "ü"}
    page = files.item("a.html", "text/html", b'<meta charset="windows-1252"><h1>\xfc</h1>')
    found = parsed("html_extract", files, [page], extract=[{"into": "title", "selector": "h1"}])
    assert found[0]["title"] == "ü"


def test_an_error_says_which_file_cannot_be_read() -> None:
    files = HeldFiles()
    with pytest.raises(NodeError, match=r"parameters.binary: the item has no file 'data'; it has no files \(item 0\)"):
        parsed("csv", files, [{"body": "a\n1"}])
    with pytest.raises(NodeError, match=r"parameters.binary: enter the key of a file; it cannot be an expression"):
        parsed("csv", files, [{}], binary="{{ 'data' }}")
    large = files.item("large.html", "text/html", bytes(6_000_000))
    with pytest.raises(NodeError, match=r"'large.html' has 6000000 bytes; the limit is 5000000 \(item 0\)"):
        parsed("html_extract", files, [large], extract=[{"into": "a", "selector": "a"}])
    many = [files.item("b.csv", "text/csv", bytes(12_000_000)) for _ in range(3)]
    with pytest.raises(NodeError, match=r"the files of the first 3 items have 36000000 bytes; a node run reads"):
        parsed("csv", files, many)

"""`files`: what is in files becomes items, and items become files. The formats run in sandbox processes."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any

import pypdf
import pytest
import xlsxwriter

from executions.domain.errors import NodeError
from executions.domain.items import Items
from tests.filing import HeldFiles
from tests.unit.nodes.running import run_in_context

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def extracted(name: str, media_type: str, content: bytes, **parameters: Any) -> Items:
    files = HeldFiles()
    return list(given(files, [files.item(name, media_type, content, id=7)], **parameters))


def given(files: HeldFiles, items: list[dict[str, Any]], **parameters: Any) -> Items:
    return run_in_context("files", {"main": items}, {"files": files}, **parameters).outputs["main"]


def converted(items: list[dict[str, Any]], **parameters: Any) -> tuple[dict[str, Any], bytes]:
    files = HeldFiles()
    [item] = given(files, items, operation="convert", **parameters)
    return item["$binary"]["data"], files.content(item)


@pytest.mark.parametrize(
    ("name", "media_type", "content", "items"),
    [
        ("a.txt", "text/plain", "\ufeffgrüß".encode(), [{"text": "grüß"}]),
        ("a.txt", "text/plain", "grüß €".encode("cp1252"), [{"text": "grüß €"}]),
        ("a", "text/plain; charset=iso-8859-2", "łódź".encode("iso-8859-2"), [{"text": "łódź"}]),
        ("a.json", "application/octet-stream", b'[{"b": 1, "a": 2}, 3]', [{"b": 1, "a": 2}, {"text": 3}]),
        ("a", "application/json", b'{"a": null}', [{"a": None}]),
        ("a.jsonl", "application/octet-stream", b'{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("a.csv", "application/vnd.ms-excel", b"x,y\r\n1,2\r\n", [{"x": "1", "y": "2"}]),
        ("a", "text/csv", b"x\n1\n", [{"x": "1"}]),
    ],
)
def test_the_format_is_told_by_the_type_or_the_name(
    name: str, media_type: str, content: bytes, items: list[dict[str, Any]]
) -> None:
    assert extracted(name, media_type, content) == items


def spreadsheet() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        workbook.add_worksheet("Empty")
        sheet = workbook.add_worksheet("Orders")
        date = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        for row, values in enumerate(
            [["id", "id", None, "paid"], [1, 2.5, "x", True], [None] * 4, [3, None, "=1", False]]
        ):
            for place, value in enumerate(values):
                sheet.write(row, place, value) if value != "=1" else sheet.write_string(row, place, value)
        sheet.write_datetime(4, 0, datetime(2026, 1, 2, 3, 4), date)
    return file.getvalue()


def test_rows_of_a_spreadsheet_become_items() -> None:
    rows = extracted("a.xlsx", XLSX, spreadsheet(), sheet="Orders")
    assert rows == [
        {"id": 1, "id_2": 2.5, "column_3": "x", "paid": True},
        {"id": 3, "id_2": None, "column_3": "=1", "paid": False},
        {"id": "2026-01-02T03:04:00", "id_2": None, "column_3": None, "paid": None},
    ]
    assert extracted("a.xlsx", XLSX, spreadsheet()) == []
    with pytest.raises(
        NodeError, match=r"parameters.sheet: there is no sheet 'Other'. The sheets are 'Empty', 'Orders'"
    ):
        extracted("a.xlsx", XLSX, spreadsheet(), sheet="Other")
    with pytest.raises(NodeError, match=r"'a.xlsx': The spreadsheet cannot be read"):
        extracted("a.xlsx", XLSX, b"PK\x03\x04 nonsense")


def test_the_text_of_a_pdf_is_found_as_a_whole_or_by_page() -> None:
    pdf = pdf_of("Hello", "World")
    [item] = extracted("a.pdf", "application/pdf", pdf)
    assert (item["text"], item["pages"]) == ("Hello\n\nWorld", 2)
    pages = extracted("a.pdf", "application/pdf", pdf, each_page=True, into="words")
    assert pages == [{"words": "Hello", "page": 1, "pages": 2}, {"words": "World", "page": 2, "pages": 2}]
    for broken in (b"", b"%PDF-1.4 nonsense", pdf[:300]):
        with pytest.raises(NodeError, match=r"'a.pdf': The PDF cannot be read"):
            extracted("a.pdf", "application/pdf", broken)
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf))
    writer.encrypt("secret", algorithm="RC4-128")
    held = io.BytesIO()
    writer.write(held)
    with pytest.raises(NodeError, match="protected by a password"):
        extracted("a.pdf", "application/pdf", held.getvalue())


def pdf_of(*texts: str) -> bytes:
    """Return a PDF with one line of text on each page."""
    writer = pypdf.PdfWriter()
    for text in texts:
        page = writer.add_blank_page(200, 200)
        font = pypdf.generic.DictionaryObject({
            pypdf.generic.NameObject("/Type"): pypdf.generic.NameObject("/Font"),
            pypdf.generic.NameObject("/Subtype"): pypdf.generic.NameObject("/Type1"),
            pypdf.generic.NameObject("/BaseFont"): pypdf.generic.NameObject("/Helvetica"),
        })  # fmt: skip
        fonts = pypdf.generic.DictionaryObject({pypdf.generic.NameObject("/F1"): font})
        page[pypdf.generic.NameObject("/Resources")] = pypdf.generic.DictionaryObject(
            {pypdf.generic.NameObject("/Font"): fonts}
        )
        content = pypdf.generic.DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode())
        page[pypdf.generic.NameObject("/Contents")] = writer._add_object(content)
    held = io.BytesIO()
    writer.write(held)
    return held.getvalue()


def test_items_become_a_file_without_their_own_files() -> None:
    items = [{"a": "=1+1", "n": 2**60}, {"a": {"x": [1]}, "$binary": {"data": {"name": "old"}}}]
    shown, content = converted(items, format="csv", name="a.csv")
    assert content == b'a,n\r\n=1+1,1152921504606846976\r\n"{""x"":[1]}",\r\n'
    assert (shown["name"], shown["media_type"], shown["size"]) == ("a.csv", "text/csv; charset=utf-8", len(content))
    shown, content = converted(items)
    assert content == b'[{"a":"=1+1","n":1152921504606846976},{"a":{"x":[1]}}]'
    assert (shown["name"], shown["media_type"]) == ("file.json", "application/json")
    shown, content = converted(items, format="xlsx", sheet="One")
    assert shown["name"] == "file.xlsx"
    assert extracted("a.xlsx", XLSX, content) == [
        {"a": "=1+1", "n": "1152921504606846976"}, {"a": '{"x":[1]}', "n": None},
    ]  # fmt: skip
    with pytest.raises(NodeError, match=r"Row 2 has a text of 40000 characters; a cell has at most 32767"):
        converted([{"a": "x" * 40_000}], format="xlsx")
    with pytest.raises(NodeError, match=r"parameters.format: items cannot be converted to pdf"):
        converted(items, format="pdf")


def test_a_text_of_each_item_becomes_a_file_beside_it() -> None:
    files = HeldFiles()
    items = given(
        files, [{"text": "é"}, {"text": "b"}], operation="convert", format="text", name="{{ $itemIndex }}.txt"
    )
    assert [files.content(item).decode() for item in items] == ["é", "b"]
    assert [item["$binary"]["data"]["name"] for item in items] == ["0.txt", "1.txt"]
    with pytest.raises(NodeError, match=r"parameters.field: 'other' is missing \(item 0\)"):
        given(files, [{"text": "é"}], operation="convert", format="text", field="other")


def test_fields_and_files_of_the_item_are_kept_where_asked_and_lineage_is_known() -> None:
    files = HeldFiles()
    source = files.item("a.json", "application/json", b"[{}, {}]", id=7)
    context = {"main": [source, source]}, {"files": files}
    result = run_in_context("files", *context, keep_other_fields=True, keep_file=True)
    assert list(result.outputs["main"]) == [{"id": 7, "$binary": source["$binary"]}] * 4
    assert result.lineage == {"main": [0, 0, 1, 1]}
    result = run_in_context("files", *context, operation="convert")
    assert result.lineage == {"main": [[0, 1]]}


@pytest.mark.parametrize(
    ("name", "content", "parameters", "message"),
    [
        (
            "a.bin",
            b"x",
            {},
            "parameters.format: neither the name 'a.bin' nor the type 'application/octet-stream' tells",
        ),
        ("a.json", b"{", {}, "'a.json': The file is not JSON: "),
        ("a.csv", b'a\n"b', {}, "'a.csv': The CSV cannot be read: "),
        ("a.txt", b"x", {"binary": "other"}, r"parameters.binary: the item has no file 'other'; its files are 'data'"),
        ("a.txt", b"x", {"encoding": "klingon"}, "parameters.encoding: 'klingon' is not a known encoding"),
    ],
)
def test_an_error_says_what_is_wrong(name: str, content: bytes, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        extracted(name, "application/octet-stream", content, **parameters)


def test_a_spreadsheet_that_unpacks_to_gigabytes_ends_its_task_only() -> None:
    content = bomb("xl/worksheets/sheet1.xml", spreadsheet())
    with pytest.raises(NodeError, match=r"needs more than 512 MiB of memory|took longer than|cannot be read"):
        extracted("a.xlsx", XLSX, content)
    assert extracted("a.txt", "text/plain", b"still works") == [{"text": "still works"}]


def bomb(name: str, workbook: bytes) -> bytes:
    """Return a workbook in which one part is 3 GB of spaces."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename != name:
                new.writestr(entry, content)
                continue
            with new.open(name, "w") as part:
                part.write(content.partition(b"<sheetData")[0] + b"<sheetData><row r='1'><c r='A1' t='str'><v>")
                for _ in range(60):
                    part.write(b" " * 2**24)
                part.write(b"</v></c></row></sheetData></worksheet>")
    return held.getvalue()

"""Spreadsheets: reads XLSX, XLSB, XLS and ODS, and makes XLSX."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
import python_calamine
import xlsxwriter

from executions.domain.errors import NodeError
from executions.domain.items import Item
from executions.nodes.file_formats.replies import Options, extracts, makes
from executions.nodes.paths import read

MAX_ROWS, MAX_COLUMNS = 200_000, 2_000
MAX_CELL = 32_767
"""Characters in a cell. Excel refuses files with more."""
MAX_EXACT = 2**53
"""From here on, spreadsheets change the last digits of whole numbers."""


def _rows(content: bytes, options: Options) -> Iterator[Item]:
    rows = _sheet(content, options.get("sheet") or "").iter_rows()
    names = _names([_value(cell) for cell in next(rows, [])]) if options.get("header", True) else None
    count = 0
    for row in rows:
        values = [_value(cell) for cell in row]
        if not any(value is not None for value in values):
            continue
        if (count := count + 1) > MAX_ROWS:
            raise NodeError(f"The sheet has more than {MAX_ROWS} rows, the limit.")
        yield dict(zip(names or _names([None] * len(values)), values, strict=False))


def _sheet(content: bytes, name: str) -> python_calamine.CalamineSheet:
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        if name in workbook.sheet_names or not name:
            return workbook.get_sheet_by_name(name) if name else workbook.get_sheet_by_index(0)
    except python_calamine.PasswordError:
        raise NodeError("The spreadsheet is protected by a password.") from None
    except (python_calamine.CalamineError, ValueError, IndexError, OSError) as error:
        raise NodeError(f"The spreadsheet cannot be read: {error}.") from None
    sheets = ", ".join(repr(sheet) for sheet in workbook.sheet_names[:20])
    raise NodeError(f"parameters.sheet: there is no sheet {name[:100]!r}. The sheets are {sheets}.")


def _names(heading: list[Any]) -> list[str]:
    """Return different names for all columns: a name that occurs again gets a number."""
    if len(heading) > MAX_COLUMNS:
        raise NodeError(f"The sheet has {len(heading)} columns; the limit is {MAX_COLUMNS}.")
    names = dict[str, None]()
    for place, value in enumerate(heading, 1):
        name = first = str(value) if value is not None else f"column_{place}"
        number = 2
        while name in names:
            name, number = f"{first}_{number}", number + 1
        names[name] = None
    return list(names)


def _value(cell: Any) -> Any:
    """Return a cell as JSON: whole numbers as integers, dates in ISO 8601, and null for an empty cell or an error."""
    match cell:
        case "":
            return None
        case float():
            return int(cell) if cell.is_integer() and abs(cell) < MAX_EXACT else cell
        case datetime() | date() | time():
            return cell.isoformat()
        case timedelta():
            return cell.total_seconds()
        case str():
            return cell.replace("\x00", "�")
    return cell


def _workbook(items: list[Item], options: Options) -> bytes:
    columns = options.get("columns") or list(dict.fromkeys(name for item in items for name in item))
    if len(items) > MAX_ROWS or len(columns) > MAX_COLUMNS:
        raise NodeError(
            f"The table has {len(columns)} columns and {len(items)} rows;"
            f" the limits are {MAX_COLUMNS} columns and {MAX_ROWS} rows."
        )
    file = io.BytesIO()
    # In memory, since the process can write no files. Text stays text, so that no value becomes a formula or a link.
    workbook = xlsxwriter.Workbook(
        file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    try:
        sheet = workbook.add_worksheet(options.get("sheet") or "Sheet1")
    except xlsxwriter.exceptions.XlsxWriterException as error:
        raise NodeError(f"parameters.sheet: {str(error).splitlines()[0]}") from None
    first = int(options.get("header", True))
    if first:
        bold = workbook.add_format({"bold": True})
        for place, name in enumerate(columns):
            _write_text(sheet, 0, place, name, bold)
    for row, item in enumerate(items, first):
        for place, name in enumerate(columns):
            _write(sheet, row, place, read(item, name))
    workbook.close()
    return file.getvalue()


def _write(sheet: Any, row: int, place: int, value: Any) -> None:
    match value:
        case bool():
            sheet.write_boolean(row, place, value)
        case int() | float() if abs(value) < MAX_EXACT:
            sheet.write_number(row, place, value)
        case int() | float():
            _write_text(sheet, row, place, str(value))
        case str():
            _write_text(sheet, row, place, value)
        case dict() | list():
            _write_text(sheet, row, place, orjson.dumps(value).decode())


def _write_text(sheet: Any, row: int, place: int, text: str, style: Any = None) -> None:
    if len(text) > MAX_CELL:
        raise NodeError(f"Row {row + 1} has a text of {len(text)} characters; a cell has at most {MAX_CELL}.")
    sheet.write_string(row, place, text, style)


extract, make = extracts(_rows), makes(_workbook)

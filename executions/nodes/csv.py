from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Literal

import orjson
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import number
from executions.nodes.paths import FieldPath, read, text_at, with_value

MAX_TEXT = 16_000_000
MAX_ROWS = 200_000
MAX_COLUMNS = 2_000
_SPREADSHEET_FORMULA = ("=", "+", "-", "@", "\t", "\r")

# The limit is the process's, and its default would refuse a long text in one field; whole texts are limited above.
csv.field_size_limit(MAX_TEXT)


class CsvParameters(Parameters):
    operation: Literal["parse", "write"] = Field(
        "parse", title="Operation", description="Text to an item for each row, or all items to one text."
    )
    field: FieldPath = Field("body", title="Field", description="The field that holds the text (parse).")
    into: FieldPath = Field("csv", title="Into", description="The field of the one item that takes the text (write).")
    delimiter: str = Field(
        ",", title="Delimiter", description="One character; \\t is the tabulator.", min_length=1, max_length=2
    )
    quote: str = Field(
        '"', title="Quote", description="Around texts that hold a delimiter.", min_length=1, max_length=1
    )
    header: bool = Field(True, title="Header", description="Whether the first row holds the names of the columns.")
    columns: list[FieldPath] = Field(
        [],
        title="Columns",
        description="Names in order. Parse without a header: those of the columns, else column_1, … Write: which "
        "fields are written, as paths, else every field.",
        max_length=MAX_COLUMNS,
    )
    infer_types: bool = Field(
        False,
        title="Infer types",
        description="Makes numbers, true, false, and null (of nothing) of such texts (parse).",
    )
    skip_empty_rows: bool = Field(True, title="Skip empty rows")
    line_end: Literal["crlf", "lf"] = Field("crlf", title="Line end", description="For write; RFC 4180 has CR LF.")
    escape_formulas: bool = Field(
        False, title="Escape formulas", description="Puts ' before texts that a spreadsheet would run (write)."
    )


class Csv(NodeType[CsvParameters]):
    type = "csv"
    label = "CSV"
    description = "Makes items of CSV text, or CSV text of the items."
    icon = "table"
    category = "data"
    Parameters = CsvParameters
    computes = True

    def run(self, context: NodeContext[CsvParameters]) -> NodeResult:
        parameters = context.parameters()
        if parameters.operation == "write":
            return NodeResult({"main": [with_value({}, parameters.into, write(context.items, parameters))]})
        out: list[Item] = []
        for index, item in enumerate(context.items):
            if context.cancelled.is_set():
                raise NodeError("Cancelled.")
            parameters = context.parameters(index)
            text = text_at(item, parameters.field, "field", index, MAX_TEXT)
            try:
                out += parse(text, parameters, MAX_ROWS - len(out))
            except (csv.Error, ValueError) as error:
                raise NodeError(f"parameters.field: the CSV cannot be read: {error} (item {index}).") from None
        return NodeResult({"main": out})


def _dialect(parameters: CsvParameters) -> dict[str, Any]:
    delimiter = "\t" if parameters.delimiter == "\\t" else parameters.delimiter
    if len(delimiter) != 1 or delimiter in "\r\n" or delimiter == parameters.quote:
        raise NodeError("parameters.delimiter: must be one character other than the quote, or \\t.")
    if parameters.quote in "\r\n":
        raise NodeError("parameters.quote: must not be a line end.")
    return {"delimiter": delimiter, "quotechar": parameters.quote, "doublequote": True, "strict": True}


def parse(text: str, parameters: CsvParameters, max_rows: int = MAX_ROWS) -> list[Item]:
    """Return the rows as items; a short row lacks its last fields. Raises csv.Error, ValueError."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), **_dialect(parameters))
    names = _names(next(rows, []), parameters) if parameters.header else list(parameters.columns)
    out: list[Item] = []
    for row in _filled(rows, parameters.skip_empty_rows):
        if len(out) >= max_rows:
            raise ValueError(f"there are more than {MAX_ROWS} rows")
        if len(row) > len(names):
            if parameters.header or parameters.columns or len(row) > MAX_COLUMNS:
                raise ValueError(f"row {len(out) + 1} has {len(row)} fields, more than the {len(names)} columns")
            names += [f"column_{place}" for place in range(len(names) + 1, len(row) + 1)]
        values: list[Any] = [_typed(value) for value in row] if parameters.infer_types else row
        out.append(dict(zip(names, values, strict=False)))
    return out


def _filled(rows: Iterator[list[str]], skip_empty: bool) -> Iterator[list[str]]:
    return (row for row in rows if row or not skip_empty)


def _names(header: list[str], parameters: CsvParameters) -> list[str]:
    names = [name or f"column_{place}" for place, name in enumerate(header, 1)]
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"there are more than {MAX_COLUMNS} columns")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns are named {twice[:100]!r}")
    return names


def _typed(value: str) -> Any:
    if value == "":
        return None
    if value in {"true", "false"}:
        return value == "true"
    plain = value.lstrip("+-")
    if len(plain) > 1 and plain[0] == "0" and plain[1].isdecimal():
        return value  # 007 is a code, not a number
    found = number(value)
    return value if found is None or (isinstance(found, int) and abs(found) >= 2**53) else found


def write(items: Items, parameters: CsvParameters) -> str:
    """Return the items as CSV text: null and missing are nothing, objects and lists are JSON. Raises NodeError."""
    columns = parameters.columns or list(dict.fromkeys(name for item in items for name in item))
    if len(columns) > MAX_COLUMNS or len(items) > MAX_ROWS:
        raise NodeError(f"At most {MAX_COLUMNS} columns and {MAX_ROWS} rows can be written.")
    lines = _Lines("\n" if parameters.line_end == "lf" else "\r\n")
    writer = csv.writer(lines, lineterminator="\r\n", **_dialect(parameters))
    if parameters.header:
        writer.writerow(columns)
    for item in items:
        writer.writerow([_cell(read(item, column), parameters.escape_formulas) for column in columns])
    return "".join(lines.written)


class _Lines:
    """Collects the rows of a csv.writer. The writer quotes only the characters of its own line end, so it is given
    both, and the end that is wanted is put here."""

    def __init__(self, end: str) -> None:
        self._end = end
        self._room = MAX_TEXT
        self.written: list[str] = []

    def write(self, row: str) -> None:
        self._room -= len(row)
        if self._room < 0:
            raise NodeError(f"The CSV text would have more than {MAX_TEXT} characters.")
        self.written.append(row.removesuffix("\r\n") + self._end)


def _cell(value: Any, escape: bool) -> str:
    if isinstance(value, str):
        return f"'{value}" if escape and value.startswith(_SPREADSHEET_FORMULA) else value
    if isinstance(value, bool | int | float | list | dict):
        return orjson.dumps(value).decode()
    return ""  # null, missing

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import orjson
from pydantic import Field

from executions.domain.binaries import BINARY
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.domain.lineage import of_all
from executions.nodes.base import ItemNodeType, NodeContext, NodeResult, Parameters
from executions.nodes.comparing import number
from executions.nodes.csv_reading import MAX_COLUMNS, MAX_ROWS, CsvFormat, Rows, parse
from executions.nodes.paths import FieldPath, read, with_value
from executions.nodes.source_texts import FileKey, source_text

MAX_TEXT = 16_000_000
_SPREADSHEET_FORMULA = ("=", "+", "-", "@", "\t", "\r")

# The limit applies to the process, and its default rejects long fields. Whole texts are limited by MAX_TEXT.
csv.field_size_limit(MAX_TEXT)


class CsvParameters(Parameters):
    operation: Literal["parse", "write"] = Field(
        "parse", title="Operation", description="parse: CSV text to one item per row. write: all items to one CSV text."
    )
    field: FieldPath = Field("body", title="Field", description="For parse: the field with the CSV text.")
    binary: FileKey = ""
    into: FieldPath = Field("csv", title="Into", description="For write: the field for the CSV text.")
    delimiter: str = Field(
        ",", title="Delimiter", description="One character, or \\t for a tab.", min_length=1, max_length=2
    )
    quote: str = Field(
        '"',
        title="Quote",
        description="The character around values that contain a delimiter.",
        min_length=1,
        max_length=1,
    )
    header: bool = Field(
        True,
        title="Header",
        description="Whether the first row contains the column names. A second column of a name is renamed: name_2.",
    )
    columns: list[FieldPath] = Field(
        [],
        title="Columns",
        description="For parse without a header: the column names in order; default column_1, column_2, … For write:"
        " the fields to write, as paths; default all fields.",
        max_length=MAX_COLUMNS,
    )
    infer_types: bool = Field(
        False,
        title="Infer types",
        description="For parse: convert numbers, true and false, and empty values to null.",
    )
    skip_empty_rows: bool = Field(True, title="Skip empty rows")
    skip_lines: int = Field(
        0,
        title="Skip lines",
        description="For parse: the number of lines to ignore before the header, such as a title. A first line sep=; is"
        " not counted: it sets the delimiter.",
        ge=0,
        le=10_000,
    )
    trim: bool = Field(False, title="Trim", description="For parse: remove white space around values and column names.")
    line_end: Literal["crlf", "lf"] = Field("crlf", title="Line end", description="For write. RFC 4180 requires CR LF.")
    escape_formulas: bool = Field(
        False,
        title="Escape formulas",
        description="For write: put ' before values that a spreadsheet would run as a formula.",
    )


class Csv(ItemNodeType[CsvParameters]):
    type = "csv"
    label = "CSV"
    description = "Converts CSV text to items, or items to CSV text."
    icon = "table"
    category = "data"
    Parameters = CsvParameters
    computes = True
    file_parameter = "binary"

    def run(self, context: NodeContext[CsvParameters]) -> NodeResult:
        if not _writes(context):
            return super().run(context)
        parameters = context.parameters()
        written = with_value({}, parameters.into, write(context.items, parameters))
        return NodeResult({"main": [written]}, {"main": of_all(len(context.items))})

    @contextmanager
    def opened(self, context: NodeContext[CsvParameters]) -> Iterator[Rows]:
        yield Rows()

    def run_item(self, context: NodeContext[CsvParameters], index: int, item: Item) -> dict[str, Items]:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        parameters = context.parameters(index)
        text = source_text(context, item, parameters.binary, parameters.field, index, MAX_TEXT)
        try:
            return {"main": rows_of(text, parameters, context.shared)}
        except ValueError as error:
            raise NodeError(f"parameters.field: the CSV text is invalid: {error} (item {index}).") from None


def _writes(context: NodeContext[CsvParameters]) -> bool:
    operation = context.node.parameters.get("operation", "parse")
    return bool(operation == "write" or ("{{" in str(operation) and context.parameters().operation == "write"))


def rows_of(text: str, parameters: CsvParameters, rows: Rows | None = None) -> list[Item]:
    """Return the rows of a CSV text as items; `rows` counts those of all texts. Raises NodeError, ValueError."""
    return parse(text, _form(parameters), rows or Rows(), _typed if parameters.infer_types else None)


def _form(parameters: CsvParameters) -> CsvFormat:
    """Return how the text is read and written. Raises NodeError."""
    delimiter = "\t" if parameters.delimiter == "\\t" else parameters.delimiter
    if len(delimiter) != 1 or delimiter in "\r\n" or delimiter == parameters.quote:
        raise NodeError("parameters.delimiter: must be one character other than the quote, or \\t.")
    if parameters.quote in "\r\n":
        raise NodeError("parameters.quote: must not be a line break.")
    return CsvFormat(
        delimiter,
        parameters.quote,
        parameters.header,
        tuple(parameters.columns),
        parameters.skip_lines,
        parameters.skip_empty_rows,
        parameters.trim,
    )


def _typed(value: str) -> Any:
    if value == "":
        return None
    if value in {"true", "false"}:
        return value == "true"
    plain = value.lstrip("+-")
    if len(plain) > 1 and plain[0] == "0" and plain[1].isdecimal():
        return value  # 007 is a code, not a number
    parsed = number(value)
    return value if parsed is None or (isinstance(parsed, int) and abs(parsed) >= 2**53) else parsed


def write(items: Items, parameters: CsvParameters) -> str:
    """Return the items as CSV text. Null and missing values are empty, objects and lists JSON. Raises NodeError."""
    columns = parameters.columns or list(dict.fromkeys(name for item in items for name in item if name != BINARY))
    if len(columns) > MAX_COLUMNS or len(items) > MAX_ROWS:
        raise NodeError(
            f"The table has {len(columns)} columns and {len(items)} rows;"
            f" the limits are {MAX_COLUMNS} columns and {MAX_ROWS} rows."
        )
    lines = _Lines("\n" if parameters.line_end == "lf" else "\r\n")
    writer = csv.writer(lines, lineterminator="\r\n", **_form(parameters).dialect())
    if parameters.header:
        writer.writerow(columns)
    for item in items:
        writer.writerow([_cell(read(item, column), parameters.escape_formulas) for column in columns])
    return "".join(lines.written)


class _Lines:
    """Collects the rows of a csv.writer. The writer quotes only the characters of its own line end, so it always uses
    CR LF, which is replaced here by the requested line end."""

    def __init__(self, end: str) -> None:
        self._end = end
        self._room = MAX_TEXT
        self.written: list[str] = []

    def write(self, row: str) -> None:
        self._room -= len(row)
        if self._room < 0:
            raise NodeError(f"The CSV text is longer than {MAX_TEXT} characters, the limit.")
        self.written.append(row.removesuffix("\r\n") + self._end)


def _cell(value: Any, escape: bool) -> str:
    if isinstance(value, str):
        return f"'{value}" if escape and value.startswith(_SPREADSHEET_FORMULA) else value
    if isinstance(value, bool | int | float | list | dict):
        return orjson.dumps(value).decode()
    return ""  # null, missing

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field

from executions.domain.binaries import DEFAULT_KEY, keeping_files, with_files
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, NodeResult, Parameters
from executions.nodes.csv_reading import MAX_COLUMNS
from executions.nodes.file_access import FileReader, file_of
from executions.nodes.file_formats import tasks
from executions.nodes.paths import MISSING, FieldPath, read

MAX_TEXT = 16_000_000
Format = Literal["auto", "text", "json", "csv", "xlsx", "pdf"]
_EXTRACT = {
    "text": "texts:extract_text",
    "json": "texts:extract_json",
    "csv": "texts:extract_csv",
    "xlsx": "spreadsheets:extract",
    "pdf": "pdf:extract",
}
_MAKE = {"json": "texts:make_json", "csv": "texts:make_csv", "xlsx": "spreadsheets:make"}
_MEDIA_TYPES = {
    "text": "text/plain; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_ENDINGS = {
    ".txt": "text", ".md": "text", ".log": "text", ".html": "text", ".xml": "text", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".geojson": "json", ".csv": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx",
    ".xlsb": "xlsx", ".xls": "xlsx", ".ods": "xlsx", ".pdf": "pdf",
}  # fmt: skip


class FilesParameters(Parameters):
    operation: Literal["extract", "convert"] = Field(
        "extract",
        title="Operation",
        description="extract: the content of a file as items. convert: items, or a text of each, as a file.",
    )
    format: Format = Field(
        "auto",
        title="Format",
        description="auto, for extract, goes by the media type and the ending of the name. xlsx also reads XLS, XLSB"
        " and ODS. pdf can only be extracted. For convert, auto is json.",
    )
    binary: str = Field(
        DEFAULT_KEY,
        title="File",
        description="The key of the file under $binary: the one to extract, or the one for the new file.",
        min_length=1,
        max_length=200,
    )
    into: FieldPath = Field(
        "text", title="Into", description="For extract: the field for text, and for JSON values that are no objects."
    )
    field: FieldPath = Field("text", title="Field", description="For convert to text: the field with the text.")
    name: str = Field("", title="Name", description="For convert: the name of the file.", max_length=255)
    encoding: str = Field(
        "",
        title="Encoding",
        description="For extract of text, JSON and CSV, such as windows-1252. If empty: that of the byte order mark or"
        " the media type, else UTF-8, else windows-1252.",
        max_length=40,
    )
    delimiter: str = Field(
        ",", title="Delimiter", description="For CSV: one character, or \\t for a tab.", min_length=1, max_length=2
    )
    header: bool = Field(True, title="Header", description="For CSV and spreadsheets: the first row has the names.")
    columns: list[FieldPath] = Field(
        [],
        title="Columns",
        description="For convert to CSV or a spreadsheet: the fields to write, as paths; default all fields.",
        max_length=MAX_COLUMNS,
    )
    infer_types: bool = Field(False, title="Infer types", description="For extract of CSV: convert numbers.")
    sheet: str = Field("", title="Sheet", description="For spreadsheets: its name; default the first.", max_length=31)
    each_page: bool = Field(False, title="Each page", description="For extract of a PDF: one item for each page.")
    keep_other_fields: bool = Field(
        False, title="Keep other fields", description="For extract: copy the fields of the item to each new item."
    )
    keep_file: bool = Field(False, title="Keep files", description="For extract: keep the files of the item.")


class Files(ItemNodeType[FilesParameters]):
    type = "files"
    label = "Files"
    description = "Extracts items from text, JSON, CSV, spreadsheets and PDF files, or converts items to a file."
    icon = "file"
    category = "data"
    Parameters = FilesParameters
    blocking = True
    pure = True

    def run(self, context: NodeContext[Any]) -> NodeResult:
        if not context.items:
            return NodeResult({"main": []})
        parameters: FilesParameters = context.parameters()
        if parameters.operation == "extract" or parameters.format == "text":
            return super().run(context)
        item = _converted(context, parameters)
        return NodeResult({"main": [item]}, {"main": [list(range(len(context.items)))]})

    def run_item(self, context: NodeContext[Any], index: int, item: Item) -> Mapping[str, Items]:
        """Extract the file of an item, or make a text file of one of its fields."""
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        parameters: FilesParameters = context.parameters(index)
        if parameters.operation == "convert":
            return {"main": [_text_file(context, parameters, index, item)]}
        file = context.files.open(file_of(item, parameters.binary, index))
        kind = _format_of(file, index) if parameters.format == "auto" else parameters.format
        options = parameters.model_dump(
            include={"into", "encoding", "delimiter", "header", "infer_types", "sheet", "each_page"}
        )
        options["media_type"] = file.media_type
        items = tasks.extract(context, _EXTRACT[kind], file, options)
        return {"main": [_beside(item, each, parameters) for each in items] if _keeps(parameters) else items}


def _keeps(parameters: FilesParameters) -> bool:
    return parameters.keep_other_fields or parameters.keep_file


def _beside(source: Item, made: Item, parameters: FilesParameters) -> Item:
    if parameters.keep_other_fields:
        made = {name: value for name, value in source.items() if name != "$binary"} | made
    return keeping_files(made, source) if parameters.keep_file else made


def _format_of(file: FileReader, index: int) -> str:
    media_type = file.media_type.partition(";")[0].strip().lower()
    ending = PurePosixPath(file.name).suffix.lower()
    if "json" in media_type:
        return "json"
    if media_type == "application/pdf":
        return "pdf"
    if "spreadsheet" in media_type or "excel" in media_type:
        return "csv" if ending == ".csv" else "xlsx"  # browsers on Windows call CSV files application/vnd.ms-excel
    if media_type in {"text/csv", "text/tab-separated-values"}:
        return "csv"
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if media_type.startswith("text/"):
        return "text"
    raise NodeError(
        f"parameters.format: neither the name {file.name!r} nor the type {file.media_type!r} tells the format;"
        f" choose one (item {index})."
    )


def _converted(context: NodeContext[Any], parameters: FilesParameters) -> Item:
    kind = "json" if parameters.format == "auto" else parameters.format
    if kind not in _MAKE:
        raise NodeError(f"parameters.format: items cannot be converted to {kind}.")
    options = parameters.model_dump(include={"delimiter", "header", "columns", "sheet"})
    content = tasks.make(context, _MAKE[kind], _without_files(context.items), options)
    return _stored(context, parameters, kind, content, {})


def _without_files(items: Items) -> Items:
    return [{name: value for name, value in item.items() if name != "$binary"} for item in items]


def _text_file(context: NodeContext[Any], parameters: FilesParameters, index: int, item: Item) -> Item:
    value = read(item, parameters.field)
    if not isinstance(value, str):
        found = "is missing" if value is MISSING else "is no text"
        raise NodeError(f"parameters.field: {parameters.field!r} {found} (item {index}).")
    if len(value) > MAX_TEXT:
        raise NodeError(f"parameters.field: the text has {len(value)} characters; the limit is {MAX_TEXT}.")
    return _stored(context, parameters, "text", value.encode("utf-8", "replace"), item)


def _stored(context: NodeContext[Any], parameters: FilesParameters, kind: str, content: bytes, item: Item) -> Item:
    name = parameters.name or f"file.{'txt' if kind == 'text' else kind}"
    with context.files.create(name, _MEDIA_TYPES[kind]) as file:
        file.write(content)
        return with_files(item, {parameters.binary: file.complete()})

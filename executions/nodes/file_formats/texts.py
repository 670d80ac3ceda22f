"""Text, JSON and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import orjson

from executions.domain.errors import NodeError
from executions.domain.items import Item
from executions.nodes.csv import CsvParameters, rows_of, write
from executions.nodes.file_formats.replies import Options, extracts, makes
from workflow_platform.core import exact_json
from workflow_platform.core.content.charsets import codec, decode_document, split_content_type, without_nul
from workflow_platform.core.content.media_types import json_lines


def decoded(content: bytes, options: Options) -> str:
    """Return the text in the given encoding, else that of the byte order mark or the media type, else UTF-8; bytes that
    do not fit are windows-1252."""
    media_type, declared = split_content_type(options.get("media_type") or "")
    given = options.get("encoding") or ""
    if given and not codec(given):
        raise NodeError(f"parameters.encoding: {given[:40]!r} is not a known encoding.")
    return without_nul(decode_document(content, media_type, given or declared))


def _text(content: bytes, options: Options) -> Iterator[Item]:
    yield {options["into"]: decoded(content, options)}


def _json(content: bytes, options: Options) -> Iterator[Item]:
    text = decoded(content, options)
    try:
        value = exact_json.read(text)
    except exact_json.NotJson as error:
        value = _json_lines(text)
        if value is None:
            raise NodeError(f"The file is not JSON: {error}.") from None
    for each in value if isinstance(value, list) else [value]:
        yield each if isinstance(each, dict) else {options["into"]: each}


def _json_lines(text: str) -> list[Any] | None:
    """Return the values of JSON lines; None if the text is something else."""
    lines = json_lines(text)
    try:
        return [exact_json.read(line) for line in lines] if len(lines) > 1 else None
    except exact_json.NotJson:
        return None


def _csv(content: bytes, options: Options) -> list[Item]:
    try:
        return rows_of(decoded(content, options), _csv_parameters(options))
    except (csv.Error, ValueError) as error:
        raise NodeError(f"The CSV cannot be read: {error}.") from None


def _csv_parameters(options: Options) -> CsvParameters:
    return CsvParameters.model_validate({
        name: options[name] for name in ("delimiter", "header", "columns", "infer_types") if name in options
    })  # fmt: skip


def _to_json(items: list[Item], options: Options) -> bytes:
    return orjson.dumps(items, option=orjson.OPT_INDENT_2 if options.get("indent") else None)


def _to_csv(items: list[Item], options: Options) -> bytes:
    return write(items, _csv_parameters(options)).encode()


extract_text, extract_json, extract_csv = extracts(_text), extracts(_json), extracts(_csv)
make_json, make_csv = makes(_to_json), makes(_to_csv)

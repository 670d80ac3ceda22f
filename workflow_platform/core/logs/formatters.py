"""A log record as one line of text, or as one line of JSON. Secrets are masked by name in both."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from workflow_platform.core.logs.context import context_fields, process_fields
from workflow_platform.core.logs.fields import FIELDS
from workflow_platform.core.secrets.secret_names import MASK, masked, masked_text

MAX_MESSAGE, MAX_VALUE = 8_000, 1_000
"""Characters of a message and of a field; the rest is cut."""
_SECRET_PATHS = re.compile(r"(/invitations/|/hooks/resume/[0-9a-fA-F-]+/)[^/?\s\"']+")
"""Paths whose next part is a secret that grants access."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE_ENDS = re.compile(r"[\x7f-\x9f\u2028\u2029]")
_NEEDS_QUOTES = re.compile(r"[\s\"=\[\]]|^$")


def redacted(text: str) -> str:
    """Return a text with its secrets masked."""
    return _SECRET_PATHS.sub(rf"\1{MASK}", masked_text(text))


def one_line(text: str) -> str:
    """Return a text with its control characters escaped, so that input of a caller cannot begin another line."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text.strip())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def fields_of(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a line in the order of FIELDS: its own before those of the context. Others are left out:
    libraries attach whole requests, SQL and settings to their records."""
    context = context_fields()
    for name in FIELDS:
        value = record.__dict__.get(name, context.get(name))
        if value is None:
            continue
        if not isinstance(value, bool | int | float) or (isinstance(value, int) and abs(value) >= 2**63):
            value = _encodable(_cut(redacted(str(value)), MAX_VALUE))
        if value != "":
            yield name, masked({name: value})[name]


class TextFormatter(logging.Formatter):
    """`2026-11-30 10:45:00,123 WARNING logger message [execution_id=… node=…]`, and a traceback below where there is
    one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without its traceback."""
        record.message = _cut(one_line(redacted(_encodable(record.message))), MAX_MESSAGE)
        shown = " ".join(f"{name}={_quoted(value)}" for name, value in fields_of(record))
        line = super().formatMessage(record)
        return f"{line} [{shown}]" if shown else line

    def formatException(self, ei: Any) -> str:
        """Return the traceback."""
        return redacted(_encodable(super().formatException(ei)))


def _quoted(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = one_line(str(value))
    if not _NEEDS_QUOTES.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class JsonFormatter(OrjsonFormatter):
    """One JSON object on each line: `timestamp`, `level`, `logger`, `message`, the fields, `exception`."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            timestamp=True,
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Collect the members of the JSON object."""
        collected: dict[str, Any] = {}
        super().add_fields(collected, record, message_dict)
        log_data["timestamp"] = collected["timestamp"]
        log_data["level"] = record.levelname.lower()
        log_data["logger"] = record.name
        log_data["message"] = _cut(redacted(_encodable(record.message)).strip(), MAX_MESSAGE)
        log_data.update(process_fields())
        log_data.update(fields_of(record))
        if exception := collected.get("exception"):
            log_data["exception"] = redacted(_encodable(exception))

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return the line. JSON allows these characters in a text, and some programs begin a line at them."""
        return _LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", super().jsonify_log_record(log_data))

"""Reads CSV text as spreadsheets, banks and hand-written files have it, which is not always as RFC 4180 has it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from executions.domain.items import Item

MAX_ROWS = 200_000
MAX_COLUMNS = 2_000
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n"])"?(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a CSV text is read."""

    delimiter: str
    quote: str
    header: bool = True
    names: tuple[str, ...] = ()
    """The column names, if there is no header."""
    skip_lines: int = 0
    """The number of lines before the header or the first row. A line such as `sep=;` is not counted."""
    skip_empty_rows: bool = True
    trim: bool = False

    def dialect(self) -> dict[str, Any]:
        """Return the arguments of the readers and writers of the module csv."""
        return {"delimiter": self.delimiter, "quotechar": self.quote, "doublequote": True, "strict": True}


@dataclass(slots=True)
class Rows:
    """Counts the rows of all texts of a node run."""

    count: int = 0

    def add(self) -> None:
        """Count a row. Raises ValueError above the limit."""
        self.count += 1
        if self.count > MAX_ROWS:
            raise ValueError(f"there are more than {MAX_ROWS} rows, the limit")


def parse(text: str, form: CsvFormat, rows: Rows, convert: Callable[[str], Any] | None = None) -> list[Item]:
    """Return the rows as items. A short row has no values for the last columns. A longer row has further columns
    (column_4, …), unless their values are empty, as after a trailing delimiter. Raises ValueError."""
    whole = text
    text, form = _without_first_lines(text.removeprefix("\ufeff"), form)
    reader = csv.reader(io.StringIO(_without_padding(text, form), newline=""), **form.dialect())
    filled = (row for row in reader if row or not form.skip_empty_rows)
    if form.trim:
        filled = ([value.strip() for value in row] for row in filled)
    try:
        return _items(filled, form, rows, convert)
    except csv.Error as error:
        line = reader.line_num + _lines(whole) - _lines(text)
        raise ValueError(f"{error} in line {line}; check the delimiter {form.delimiter!r}") from None


def _lines(text: str) -> int:
    return len(_LINE_END.findall(text))


def _items(
    filled: Iterator[list[str]], form: CsvFormat, rows: Rows, convert: Callable[[str], Any] | None
) -> list[Item]:
    names = _Names(_header(filled) if form.header else form.names)
    is_open = not form.header and not form.names  # each value has a column, also if it is empty
    out: list[Item] = []
    for row in filled:
        rows.add()
        if len(row) > len(names.all) and not is_open:
            row = _without_empty_end(row, len(names.all))
        names.extend(len(row))
        values = row if convert is None else map(convert, row)
        out.append(dict(zip(names.all, values, strict=False)))
    return out


def _without_first_lines(text: str, form: CsvFormat) -> tuple[str, CsvFormat]:
    """Return the text from its header on. Excel reads and writes a first line such as `sep=;`, which sets the
    delimiter."""
    at = 0
    if (found := _SEPARATOR_LINE.match(text)) and found[1] != form.quote:
        form, at = replace(form, delimiter=found[1]), found.end()
    for _ in range(form.skip_lines):
        line = _LINE.match(text, at)
        at = line.end() if line else len(text)
    return text[at:], form


def _without_padding(text: str, form: CsvFormat) -> str:
    """Return the text without the spaces and tabs around quoted values, which RFC 4180 does not allow."""
    delimiter, quote = re.escape(form.delimiter), re.escape(form.quote)
    pad = "".join(c for c in " \t" if c not in {form.delimiter, form.quote})
    if not pad or not re.search(
        rf"(?:\A|[{delimiter}\r\n])[{pad}]++{quote}|{quote}[{pad}]++(?:[{delimiter}\r\n]|\Z)", text
    ):
        return text
    # Field by field, since values contain such spaces too. What is not well-formed stays for the reader to refuse.
    fields = re.compile(
        rf"(\A|{delimiter}|\r\n|\r|\n)"
        rf"(?:[{pad}]*+({quote}(?:[^{quote}]++|{quote}{quote})*+{quote})[{pad}]*+(?=[{delimiter}\r\n]|\Z)"
        rf"|([^{delimiter}\r\n]*+))"
    )
    return fields.sub(lambda found: found[1] + (found[2] if found[2] is not None else found[3]), text)


def _header(rows: Iterator[list[str]]) -> list[str]:
    """Return the first row that is not empty, without empty names at its end."""
    return _without_empty_end(next((row for row in rows if row), []), 0)


def _without_empty_end(row: list[str], keep: int) -> list[str]:
    end = len(row)
    while end > keep and not row[end - 1]:
        end -= 1
    return row[:end]


class _Names:
    """The names of the columns, which are all different: a second `name` becomes `name_2`."""

    def __init__(self, given: list[str] | tuple[str, ...]) -> None:
        self.all: list[str] = []
        self._taken = set(given)
        self._used = set[str]()
        self._check(len(given))
        for place, name in enumerate(given, 1):
            self._add(name or f"column_{place}", self._used if name else self._taken)

    def extend(self, count: int) -> None:
        """Name all columns up to a number. Raises ValueError if there are too many."""
        if count > len(self.all):
            self._check(count)
            for place in range(len(self.all) + 1, count + 1):
                self._add(f"column_{place}", self._taken)

    def _check(self, count: int) -> None:
        if count > MAX_COLUMNS:
            raise ValueError(f"there are {count} columns; the limit is {MAX_COLUMNS}")

    def _add(self, name: str, others: set[str]) -> None:
        if name in others:
            number = 2
            while f"{name}_{number}" in self._taken:
                number += 1
            name = f"{name}_{number}"
        self._taken.add(name)
        self._used.add(name)
        self.all.append(name)

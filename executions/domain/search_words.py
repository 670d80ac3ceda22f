"""The words by which executions are found: of their input, outputs and error, and marks of the nodes that ran. Pure.

A text is divided at everything that is not a letter or a digit, and compared without regard to case. The same rule
holds for what is stored and for what is searched, so `alice@example.com` finds exactly the words alice, example, com in
this order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from workflow_platform.core.secrets.secret_names import is_secret

MAX_WORD = 64
MAX_CHARACTERS = 10_000
"""Of one value: longer texts are documents or encoded files."""
MAX_MARKS = 2_000
MAX_QUERY_WORDS = 20
MIN_PREFIX = 2
_GAP = 2
"""Positions between two values, so that words of both are no phrase."""
_MOST_POSITIONS, _LAST_POSITION = 255, 16_383
"""PostgreSQL's limits."""
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text. A word beyond MAX_WORD is cut."""
    return [word[:MAX_WORD] for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower())]


class SearchVector:
    """The words of one execution, in the form of PostgreSQL's `tsvector`."""

    def __init__(self, max_words: int) -> None:
        self._left = max_words
        self._positions: dict[str, list[int]] = {}
        self._at = 1
        self._marks: list[str] = []

    @property
    def is_full(self) -> bool:
        """Return whether no more words are taken."""
        return self._left <= 0

    def add(self, value: Any) -> None:
        """Add the texts and numbers in a JSON value, without those that have the name of a secret."""
        for text in _texts(value):
            if self.is_full:
                return
            for word in words_of(text[:MAX_CHARACTERS])[: self._left]:
                positions = self._positions.setdefault(word, [])
                if len(positions) < _MOST_POSITIONS:
                    positions.append(min(self._at, _LAST_POSITION))
                self._at += 1
                self._left -= 1
            self._at += _GAP

    def mark(self, *marks: str) -> None:
        """Add marks, which no text contains."""
        self._marks += marks[: max(0, MAX_MARKS - len(self._marks))]

    def __str__(self) -> str:
        words = (f"'{word}':{','.join(map(str, places))}" for word, places in self._positions.items() if places)
        return " ".join([*words, *map(_quoted, self._marks)])


def _texts(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            stack += [
                inner for name, inner in reversed([*value.items()]) if name != "$binary" and not is_secret(name[:200])
            ]
        elif isinstance(value, list):
            stack += reversed(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield str(value)


def in_workspace(workspace: UUID) -> str:
    """Return the mark of the executions of a workspace."""
    return f"w/{workspace.hex}"


def node_ran(workflow: UUID, node: str) -> str:
    """Return the mark of the executions in which a node ran."""
    return f"r/{workflow.hex}/{node}"


def node_failed(workflow: UUID, node: str) -> str:
    """Return the mark of the executions in which a node failed."""
    return f"f/{workflow.hex}/{node}"


def search_query(text: str, marks: Iterable[str] = ()) -> str:
    """Return the `tsquery` of executions that have all words of `text`, of which the last may be incomplete, and all
    marks. Words that are joined by other characters than spaces must follow each other. Empty if nothing is asked for,
    or if `text` has no word."""
    phrases = [words for part in text.split() if (words := words_of(part))]
    if text.strip() and not phrases:
        return ""
    parts = [" <-> ".join(f"'{word}'" for word in words) for words in phrases][:MAX_QUERY_WORDS]
    if phrases and len(phrases) <= MAX_QUERY_WORDS and len(phrases[-1][-1]) >= MIN_PREFIX:
        parts[-1] += ":*"
    return " & ".join([*map(_quoted, marks), *(f"({part})" for part in parts)])


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\0", "").replace("\\", "\\\\").replace("'", "''") + "'"

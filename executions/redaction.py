"""Taking secrets out of what leaves a node run: outputs, errors, log lines. Pure.

A secret is replaced wherever it stands, also as part of a longer text, as it is and in the spellings that it takes in
a URL, in JSON and in HTML. What a server makes of it otherwise (a hash, its reverse) cannot be known.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 6
"""Shorter secrets stay: replacing them would tear up what has nothing to do with them."""

Secrets = Callable[[], Iterable[str]]


def spellings(secret: str) -> set[str]:
    """Return the ways in which a secret can stand in a text."""
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return found | {each.lower() for each in found if "%" in each}


class Redaction:
    """What must not leave one node run. Empty until a credential is used."""

    def __init__(self) -> None:
        self._sources: list[Secrets] = []
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secrets: Secrets) -> None:
        """Keep out what `secrets` returns, now and later: a token may be fetched only when it is used."""
        self._sources.append(secrets)

    def text(self, text: str) -> str:
        """Return the text without the secrets."""
        pattern = self._current()
        return text if pattern is None else pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """Return a JSON value without the secrets, in keys and in numbers too."""
        pattern = self._current()
        return value if pattern is None else _replaced(value, pattern)

    def _current(self) -> re.Pattern[str] | None:
        known = frozenset(secret for source in self._sources for secret in source() if len(secret) >= SHORTEST)
        if known != self._known:
            every = {each for secret in known for each in spellings(secret)}
            self._known = known
            self._pattern = re.compile("|".join(re.escape(each) for each in sorted(every, key=len, reverse=True)))
        return self._pattern


def _replaced(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, dict):
        return {_replaced(key, pattern): _replaced(inner, pattern) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, pattern) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and pattern.search(repr(value)):
        return MASK
    return value

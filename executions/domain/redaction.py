"""Redacts known secrets in the outputs, errors and log lines of a node run. Pure.

A secret is replaced wherever it occurs, also inside a longer text: literally, in the spellings of URLs, JSON, HTML and
hexadecimal, and in Base64 of any text that contains it. Other transformations (a hash, the reversed text, Base64 broken
into lines) are not recognized.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

MASK = "***"
SHORTEST = 6
"""Shorter secrets are not redacted, since they also occur in unrelated text."""

Secrets = Callable[[], Iterable[str]]


def spellings(secret: str) -> set[str]:
    """Return the spellings in which a secret can occur in a text."""
    escaped = json.dumps(secret)[1:-1]
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)}
    forms |= {escaped, json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1]}
    data = secret.encode(errors="surrogatepass")
    forms |= {"".join(f"%{byte:02X}" for byte in data), data.hex(), data.hex().upper()}
    forms |= {form.lower() for form in forms if "%" in form}
    return forms | _in_base64(data)


def _in_base64(data: bytes) -> set[str]:
    """Return the part that the Base64 of every text containing `data` shares, in both alphabets and URL-quoted.

    Base64 encodes three bytes as four characters, so there is one form for each position of `data` in such a group.
    Characters at the ends that also depend on other bytes are left out, and so is the padding.
    """
    forms = set()
    for before, start in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        core = encoded[start : (before + len(data)) * 8 // 6]
        forms |= {core, core.replace("+", "-").replace("/", "_"), quote(core, safe="")}
    return forms


@dataclass(frozen=True, slots=True)
class _Needle:
    """A spelling of a secret, and its form in JSON text."""

    text: str
    in_json: str


class Redaction:
    """The secrets to redact in one node run. Empty until a credential is used."""

    def __init__(self) -> None:
        self._sources: list[Secrets] = []
        self._known: frozenset[str] = frozenset()
        self._needles: list[_Needle] = []

    def add(self, secrets: Secrets) -> None:
        """Redact the values that `secrets` returns, now and later: a token may be fetched on first use."""
        self._sources.append(secrets)

    def extended(self, secrets: Secrets) -> Redaction:
        """Return a redaction of the same secrets and of those that `secrets` returns when it is first needed."""
        found: list[str] = []
        first = iter([True])

        def once() -> list[str]:
            if next(first, False):
                found.extend(secrets())
            return found

        made = Redaction()
        made.add(lambda: [secret for source in self._sources for secret in source()])
        made.add(once)
        return made

    def text(self, text: str) -> str:
        """Return the text with secrets replaced by MASK."""
        present = [needle.text for needle in self._current() if needle.text in text]
        return _pattern(present).sub(MASK, text) if present else text

    def value(self, value: Any) -> Any:
        """Return a JSON value with secrets replaced by MASK, also in keys and numbers."""
        needles = self._current()
        if not needles:
            return value
        try:
            text = orjson.dumps(value).decode()
        except (TypeError, ValueError):  # not JSON, or a number too large for orjson: search for every spelling
            present = [needle.text for needle in needles]
        else:
            # Searching one text for each spelling is much faster than matching all spellings at every character.
            present = [needle.text for needle in needles if needle.in_json in text]
        return _replaced(value, _pattern(present)) if present else value

    def _current(self) -> list[_Needle]:
        known = frozenset(secret for source in self._sources for secret in source() if len(secret) >= SHORTEST)
        if known != self._known:
            all_spellings = {spelling for secret in known for spelling in spellings(secret)}
            self._known = known
            self._needles = [
                _Needle(spelling, json.dumps(spelling, ensure_ascii=False)[1:-1]) for spelling in all_spellings
            ]
        return self._needles


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(each) for each in sorted(texts, key=len, reverse=True)))


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

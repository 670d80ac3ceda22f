"""Taking known secrets out of what leaves a node run: outputs, errors, log lines. Pure.

A secret is replaced wherever it occurs, also within a longer text: as it is, in the spellings of URLs, JSON, HTML and
hexadecimal, and in Base64 of any text that contains it. What a server makes of it otherwise (a hash, its reverse,
Base64 broken into lines) cannot be recognised.
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
"""Shorter secrets stay: replacing them would tear up what has nothing to do with them."""

Secrets = Callable[[], Iterable[str]]


def spellings(secret: str) -> set[str]:
    """Return the ways in which a secret can occur in a text."""
    escaped = json.dumps(secret)[1:-1]
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)}
    found |= {escaped, json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1]}
    data = secret.encode(errors="surrogatepass")
    found |= {"".join(f"%{byte:02X}" for byte in data), data.hex(), data.hex().upper()}
    found |= {each.lower() for each in found if "%" in each}
    return found | _in_base64(data)


def _in_base64(data: bytes) -> set[str]:
    """Return what is the same in the Base64 of every text with `data` in it, in both alphabets, also within a URL.

    Three bytes become four characters, so that it depends on where `data` begins: at the first, second or third byte of
    such a group. The characters at both ends that depend on other bytes too are left out, and with them the padding.
    """
    found = set()
    for before, start in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(b"\0" * before + data).decode()
        core = whole[start : (before + len(data)) * 8 // 6]
        found |= {core, core.replace("+", "-").replace("/", "_"), quote(core, safe="")}
    return found


@dataclass(frozen=True, slots=True)
class _Needle:
    """A spelling, and how it occurs in JSON text."""

    text: str
    in_json: str


class Redaction:
    """What must not leave one node run. Empty until a credential is used."""

    def __init__(self) -> None:
        self._sources: list[Secrets] = []
        self._known: frozenset[str] = frozenset()
        self._needles: list[_Needle] = []

    def add(self, secrets: Secrets) -> None:
        """Keep out what `secrets` returns, now and later: a token may be fetched only when it is used."""
        self._sources.append(secrets)

    def text(self, text: str) -> str:
        """Return the text without the secrets."""
        found = [each.text for each in self._current() if each.text in text]
        return _pattern(found).sub(MASK, text) if found else text

    def value(self, value: Any) -> Any:
        """Return a JSON value without the secrets, in keys and in numbers too."""
        needles = self._current()
        if not needles:
            return value
        try:
            text = orjson.dumps(value).decode()
        except (TypeError, ValueError):  # not JSON, or numbers that are too large for orjson: look everywhere
            found = [each.text for each in needles]
        else:
            # To look for each spelling in one text is much cheaper than to match all of them at every character.
            found = [each.text for each in needles if each.in_json in text]
        return _replaced(value, _pattern(found)) if found else value

    def _current(self) -> list[_Needle]:
        known = frozenset(secret for source in self._sources for secret in source() if len(secret) >= SHORTEST)
        if known != self._known:
            every = {each for secret in known for each in spellings(secret)}
            self._known = known
            self._needles = [_Needle(each, json.dumps(each, ensure_ascii=False)[1:-1]) for each in every]
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

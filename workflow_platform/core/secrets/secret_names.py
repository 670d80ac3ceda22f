"""Names of headers, query parameters and JSON fields whose values are secrets. Pure.

One list for everything that is shown, logged or forwarded: the log of inbound requests, previews in events, error
messages. Known secrets (a credential that a node used) are redacted by value in `executions.domain.redaction`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import orjson

MASK = "***"

_SECRET = re.compile(
    r"authori[sz]ation|cookie|token|secret(?!ar)|passw|passphrase|pwd|credential|session|jwt|bearer"
    r"|(?:api|access|private|secret|signing|encryption|shared|account|master)[-_. ]?key"
    r"|signature|hmac"
    r"|(?:^|[-_.])(?:auth|otp|pin|cvv|cvc|sig)(?:$|[-_.])",
    re.IGNORECASE,
)
_NUMBER_TOO = re.compile(r"passw|passphrase|pwd|secret|key|(?:^|[-_.])(?:otp|pin|cvv|cvc)(?:$|[-_.])", re.IGNORECASE)
"""Names whose numbers are secrets too: `pin: 4242` is one, `total_tokens: 42` is not."""
_HINTS = (
    "authori", "cookie", "token", "secret", "pass", "pwd", "credential", "session", "jwt", "bearer", "basic", "key",
    "sig", "hmac", "auth", "otp", "pin", "cvv", "cvc", "://",
)  # fmt: skip
"""Matches every text with something to mask: a cheap first check."""
_DEEPEST = 60

_USERINFO = re.compile(r"(://)[^\s/?#@\"'<>]{1,500}@")
_PAIR = re.compile(r"(?<![\w.\[\]%-])([\w.\[\]%-]{1,100})=(?!\{\{)([^&\s\"'<>;,]+)")
_MEMBER = re.compile(r'"([\w .$-]{1,100})"(\s*:\s*)("(?:[^"\\]|\\.)*"?|-?\d[\d.eE+-]*)')
_ESCAPED_MEMBER = re.compile(r'\\"([\w .-]{1,100})\\"(\s*:\s*\\")([^"\\]+)')
_NAME, _VALUE = r'"(?:name|key|header)"\s*:\s*"([\w .-]{1,100})"', r'("value"\s*:\s*")((?:[^"\\]|\\.)*)'
_NAMED = re.compile(rf"({_NAME}\s*,\s*){_VALUE}")
_NAMED_AFTER = re.compile(rf'{_VALUE}("\s*,\s*{_NAME})')
_ESCAPED_NAME = r'\\"(?:name|key|header)\\"\s*:\s*\\"([\w .-]{1,100})\\"'
_ESCAPED_NAMED = re.compile(rf'({_ESCAPED_NAME}\s*,\s*)(\\"value\\"\s*:\s*\\")([^"\\]+)')
_ESCAPED_NAMED_AFTER = re.compile(rf'(\\"value\\"\s*:\s*\\")([^"\\]+)(\\"\s*,\s*{_ESCAPED_NAME})')
"""`{"name": "X-Api-Key", "value": "…"}` in texts, and in texts within JSON; the value may come first."""
_HEADER = re.compile(
    r"(?im)(^|[\s\"'{,])((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,60}(?:key|token|secret|auth|signature)[\w-]{0,60}"
    r"|api-?key)(['\"]?: *['\"]?)([^\r\n\"']+)"
)
_SCHEME = re.compile(r"\b((?i:Bearer|Basic))(\s+)(?=[^\s\"']*[\d=A-Z])[A-Za-z0-9._~+/-]{8,}=*")
_QUOTED_MEMBER = re.compile(r"'([^'\\\r\n]{1,100})'(\s*:\s*')([^'\\\r\n]+)")


def is_secret(name: str) -> bool:
    """Return whether a value with this name is a secret."""
    return _SECRET.search(name) is not None


def _has_hint(text: str) -> bool:
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


def masked(value: Any) -> Any:
    """Return a JSON value with secrets masked by name, in texts too; the same object if there is nothing to mask.

    In `{"name": "X-Api-Key", "value": "…"}` the value is masked. Booleans, null, and most numbers stay.
    """
    try:
        if not _has_hint(orjson.dumps(value).decode()):
            return value
    except (TypeError, ValueError):
        pass  # values that cannot be written as JSON are checked too
    return _masked(value, 0)


def _masked(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return masked_text(value)
    if depth > _DEEPEST:
        return MASK
    if isinstance(value, list | tuple):
        return [_masked(inner, depth + 1) for inner in value]
    if not isinstance(value, dict):
        return value
    shown = {key: _member(str(key), inner, depth) for key, inner in value.items()}
    named = next((each for label in ("name", "key", "header") if isinstance(each := value.get(label), str)), "")
    if named and "value" in value and is_secret(named):
        shown["value"] = _hidden(named, value["value"])
    return shown


def _member(name: str, value: Any, depth: int) -> Any:
    return _hidden(name, value) if is_secret(name) else _masked(value, depth + 1)


def _hidden(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return value
    if isinstance(value, int | float) and not _NUMBER_TOO.search(name):
        return value
    return MASK


def masked_text(text: str) -> str:
    """Return a text without what has the name of a secret in it: in JSON, in a query or form, in a header line, after
    Bearer or Basic, and without usernames and passwords in URLs."""
    if not _has_hint(text):
        return text
    if text[:1] in {"{", "["}:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # truncated, or not JSON
        else:
            shown = _masked(value, 0)
            return text if shown == value else orjson.dumps(shown).decode()
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _HEADER.sub(rf"\1\2\3{MASK}", text)
    text = _PAIR.sub(lambda match: f"{match[1]}={MASK}" if is_secret(unquote(match[1])) else match[0], text)
    text = _MEMBER.sub(_shown_member, text)
    text = _ESCAPED_MEMBER.sub(
        lambda match: f'\\"{match[1]}\\"{match[2]}{MASK}' if is_secret(match[1]) else match[0], text
    )
    for named in (_NAMED, _ESCAPED_NAMED):
        text = named.sub(lambda match: match[1] + match[3] + (MASK if is_secret(match[2]) else match[4]), text)
    for named in (_NAMED_AFTER, _ESCAPED_NAMED_AFTER):
        text = named.sub(lambda match: match[1] + (MASK if is_secret(match[4]) else match[2]) + match[3], text)
    text = _QUOTED_MEMBER.sub(lambda match: f"'{match[1]}'{match[2]}{MASK}" if is_secret(match[1]) else match[0], text)
    return _SCHEME.sub(rf"\1\2{MASK}", text)


def _shown_member(match: re.Match[str]) -> str:
    name, between, value = match.groups()
    if not is_secret(name) or (not value.startswith('"') and not _NUMBER_TOO.search(name)) or value == '""':
        return match[0]
    return f'"{name}"{between}"{MASK}"'

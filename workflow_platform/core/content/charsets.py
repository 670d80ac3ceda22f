"""Decodes text from other systems without losing bytes.

The encoding is that of the byte order mark, else the declared one, else UTF-8. Bytes that the encoding does not allow
are read as windows-1252, the usual encoding of text that names none.
"""

from __future__ import annotations

import codecs
import re
from email.message import Message
from functools import lru_cache
from typing import Any

WINDOWS = "windows"
"""The error handler that reads the bytes that an encoding does not allow as windows-1252."""
NUL_SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"
"""Replaces the NUL character, which PostgreSQL cannot store in text."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # UTF-32 first: its mark begins with that of UTF-16
_LABEL = re.compile(r"[a-z0-9][a-z0-9._:-]{0,39}")
# Labels that stand for a larger encoding on the web (Encoding standard).
_MEANT = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "tis-620": "cp874", "iso8859-11": "cp874",
    "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "big5": "big5hkscs",
    "utf-16": "utf-16-le", "utf-32": "utf-32-le",
}  # fmt: skip
# Codecs that decode text and nothing else: others interpret escapes (unicode_escape) or are not of any document.
_KNOWN = re.compile(
    r"utf-(8|16|32)(-[bl]e)?|iso8859-\d+|cp\d+|koi8-[rtu]|mac-\w+|gb18030|big5\w*|euc_\w+|cp949|johab|hz"
    r"|iso2022_\w+|kz1048|ptcp154|hp-roman8"
)
_META_BYTES = 1024
_META = re.compile(rb"""<meta\b[^>]*?\bcharset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_XML = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Decode the bytes that an encoding does not allow. Bytes that windows-1252 leaves undefined keep their number."""
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(_WINDOWS[byte] for byte in wrong), error.end


_WINDOWS = [bytes([n]).decode("cp1252") if n not in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else chr(n) for n in range(256)]
codecs.register_error(WINDOWS, _as_windows)


def split_content_type(value: str) -> tuple[str, str]:
    """Return (media type, charset) of a Content-Type, in lower case."""
    message = Message()
    message["Content-Type"] = value.replace("\r", " ").replace("\n", " ")
    try:
        charset = message.get_param("charset", "")
    except (ValueError, TypeError, LookupError):
        charset = ""
    return value.partition(";")[0].strip().lower(), charset.lower() if isinstance(charset, str) else ""


@lru_cache(256)
def codec(charset: str) -> str:
    """Return the name of Python's codec for a declared charset; empty if it is unknown."""
    label = charset.strip().lower().replace(" ", "")
    if not _LABEL.fullmatch(label):
        return ""
    try:
        name = codecs.lookup(label.removeprefix("x-")).name
    except (LookupError, ValueError):
        return ""
    name = _MEANT.get(name, name)
    return name if _KNOWN.fullmatch(name) else ""


def decode(raw: bytes, charset: str = "") -> str:
    """Return the text, without a byte order mark. An unknown charset counts as none."""
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(name, WINDOWS)
    return raw.decode(codec(charset) or _unmarked(raw), WINDOWS)


def decode_document(raw: bytes, media_type: str, charset: str = "") -> str:
    """Return the text of a document, which may itself declare its charset: HTML in a `meta` tag, XML at its start."""
    return decode(raw, charset or _declared_inside(raw, media_type))


def as_utf8(raw: bytes, charset: str = "") -> bytes:
    """Return JSON or another text as UTF-8 without a byte order mark; the same bytes if they are that already."""
    if codec(charset) in {"", "utf-8", "cp1252"} and raw.isascii() and b"\0" not in raw[:4]:
        return raw
    return decode(raw, charset).encode()


def without_nul(text: str) -> str:
    """Return a text without NUL characters."""
    return text.replace("\0", NUL_SUBSTITUTE) if "\0" in text else text


def all_without_nul(value: Any) -> Any:
    """Return a JSON value whose texts and names have no NUL characters."""
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, list):
        return [all_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {without_nul(name): all_without_nul(each) for name, each in value.items()}
    return value


def _unmarked(raw: bytes) -> str:
    """Return the encoding of text that does not say it: UTF-16 and UTF-32 are told by the zeros of their first
    characters, as in JSON (RFC 4627, 3)."""
    head = raw[:4]
    if len(head) < 4 or b"\0" not in head:
        return "utf-8"
    zeros = "".join("0" if byte == 0 else "x" for byte in head)
    return {"000x": "utf-32-be", "x000": "utf-32-le", "0x0x": "utf-16-be", "x0x0": "utf-16-le"}.get(zeros, "utf-8")


def _declared_inside(raw: bytes, media_type: str) -> str:
    if "html" in media_type:
        found = _META.search(raw, 0, _META_BYTES)
    elif "xml" in media_type:
        found = _XML.match(raw, 0, _META_BYTES)
    else:
        return ""
    name = codec(found[1].decode()) if found else ""
    return "utf-8" if name.startswith(("utf-16", "utf-32")) else name  # what reads as ASCII is neither

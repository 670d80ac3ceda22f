"""The rules of time zones for the JavaScript of expressions: the transitions of a zone and the rule after the last one.

The zones are those of `zoneinfo`: the machine's, or the package `tzdata`. No Django.
"""

from __future__ import annotations

import json
import re
import struct
import zoneinfo
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

_HEADER = struct.Struct(">4sc15x6l")
_RULE_TIME = re.compile(r"([+-]?)(\d+)(?::(\d+))?(?::(\d+))?$")
_FOOTER = re.compile(
    r"(?P<std><[^>]+>|[A-Za-z]+)(?P<std_offset>[+-]?[\d:]+)"
    r"(?:(?P<dst><[^>]+>|[A-Za-z]+)(?P<dst_offset>[+-]?[\d:]+)?,(?P<start>[^,]+),(?P<end>[^,]+))?$"
)
_CHANGE = re.compile(r"M(\d+)\.(\d)\.(\d)(?:/(.+))?$")


class UnreadableZone(ValueError):
    """The rules of a time zone have a form that is not supported."""


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(zoneinfo.available_timezones())


@cache
def _by_lower_case() -> dict[str, str]:
    return {name.lower(): name for name in zone_names()}


def zone_script(name: str) -> str:
    """Return a script that adds the zone to the words of dates; a name that does not exist is an invalid zone.

    Upper and lower case are the same, as in JavaScript.
    """
    known = _by_lower_case().get(name.lower())
    return f"(function (kit) {{ kit.addZone({json.dumps(name)}, {_data_of(known) if known else 'null'}); }})"


@lru_cache(maxsize=1024)
def _data_of(name: str) -> str:
    return json.dumps(_rules(_file_of(name)), separators=(",", ":"))


def _file_of(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = Path(folder) / name
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def _rules(file: bytes) -> dict[str, Any]:
    """Return the transitions of a TZif file (RFC 9636), in seconds since 1970: `at`, and the index of the kind of time
    that begins there, `kinds`; for each kind its offset and abbreviation; and the rule after the last transition."""
    version, isut, isstd, leap, times, types, characters = _header(file, 0)
    at = _HEADER.size
    if version >= b"2":
        at += times * 5 + types * 6 + characters + leap * 8 + isstd + isut
        _, isut, isstd, leap, times, types, characters = _header(file, at)
        at += _HEADER.size
    width = 8 if version >= b"2" else 4
    moments = struct.unpack_from(f">{times}{'q' if width == 8 else 'l'}", file, at)
    kinds = file[at + times * width : at + times * (width + 1)]
    at += times * (width + 1)
    infos = [struct.unpack_from(">lBB", file, at + 6 * n) for n in range(types)]
    at += types * 6
    text = file[at : at + characters]
    names = [text[index : text.index(b"\0", index)].decode() for _, _, index in infos]
    footer = file[at + characters + leap * (width + 4) + isstd + isut :].decode().strip() if width == 8 else ""
    offsets = [offset for offset, _, _ in infos]
    rule = _rule(footer, offsets, names)
    return {"at": moments, "kinds": list(kinds), "first": 0, "offsets": offsets, "names": names, "rule": rule}


def _header(file: bytes, at: int) -> tuple[bytes, int, int, int, int, int, int]:
    _, version, *counts = _HEADER.unpack_from(file, at)
    isut, isstd, leap, times, types, characters = counts
    return version, isut, isstd, leap, times, types, characters


def _rule(footer: str, offsets: list[int], names: list[str]) -> list[Any] | None:
    """Return the rule of a footer as `zones.js` reads it; adds the kinds of time that it needs."""
    if (match := _FOOTER.match(footer)) is None:
        return None
    standard = -_seconds(match["std_offset"])
    rule: list[Any] = [_kind(match["std"], standard, offsets, names), standard]
    if match["dst"]:
        summer = -_seconds(match["dst_offset"]) if match["dst_offset"] else standard + 3600
        rule += [_kind(match["dst"], summer, offsets, names), summer, _change(match["start"]), _change(match["end"])]
    return rule


def _kind(name: str, offset: int, offsets: list[int], names: list[str]) -> int:
    name = name.strip("<>")
    for index, known in enumerate(zip(offsets, names, strict=True)):
        if known == (offset, name):
            return index
    offsets.append(offset)
    names.append(name)
    return len(offsets) - 1


def _change(text: str) -> list[int]:
    match = _CHANGE.match(text)
    if match is None:
        raise UnreadableZone(f"The rule {text!r} of a time zone is not supported.")
    month, week, weekday, time = match.groups()
    return [int(month), int(week), int(weekday), 7200 if time is None else _seconds(time)]


def _seconds(text: str) -> int:
    match = _RULE_TIME.match(text)
    if match is None:
        raise UnreadableZone(f"The offset {text!r} of a time zone is not supported.")
    sign, hours, minutes, seconds = match.groups()
    total = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return -total if sign == "-" else total

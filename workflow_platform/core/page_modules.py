"""The ES modules of the pages: their hashed files, and what each one imports.

A module imports others by their plain names (`./page.js`). The import map, which every page has, leads these names to
the hashed files. So all modules of a page have one version, and a changed module leaves the names of the others alone.

Everything comes from the manifest of the collected static files and from these files, once in a process. Without a
manifest, as in development, there is no map: the plain names are served.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.storage import storages

FOLDER = "js/"
_IMPORT = re.compile(
    r"""^(?:import\s+(?:[\w*{][^"';]*?\sfrom\s+)?|export\s+[*{][^"';]*?\sfrom\s+)["']\./([\w./-]+)["']""", re.MULTILINE
)
"""A static import. What is imported while the page runs (`await import(…)`) is not needed to show it."""


@dataclass(frozen=True)
class PageModules:
    """The modules of one set of collected files."""

    imports: dict[str, tuple[str, ...]]
    """For each module, such as `js/page.js`, those that it imports itself."""
    hashed: bool
    """Whether the files have names with hashes."""
    translated: frozenset[str] = frozenset()
    """The copies of modules in other languages, such as `js/page.de.js`."""

    @cached_property
    def import_maps(self) -> dict[str, str]:
        """Return the JSON of the import map of each language, safe within HTML; none if names have no hashes."""
        if not self.hashed:
            return {}
        return {language: self._import_map(language) for language, _ in settings.LANGUAGES}

    def _import_map(self, language: str) -> str:
        urls = {settings.STATIC_URL + name: self.url(name, language) for name in sorted(self.imports)}
        return json.dumps({"imports": urls}, separators=(",", ":")).replace("<", "\\u003c")

    @cached_property
    def import_map_digests(self) -> list[str]:
        """Return the sources by which a content policy allows the import maps."""
        digests = (hashlib.sha256(text.encode()).digest() for text in self.import_maps.values())
        return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]

    def url(self, name: str, language: str) -> str:
        """Return the URL of a module in a language: that of its translated copy, if it has texts."""
        copy = translated_name(name, language)
        return staticfiles_storage.url(copy if copy in self.translated else name)

    def needed_by(self, *names: str) -> list[str]:
        """Return these modules and all that they import, directly or not, each once and in a fixed order."""
        found: dict[str, None] = {}
        waiting = list(reversed(names))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting += reversed(self.imports.get(name, ()))
        return list(found)


def page_modules() -> PageModules:
    """Return the modules of the collected static files."""
    return _read(storages["staticfiles"])


def imported_by(source: str) -> tuple[str, ...]:
    """Return the modules that the text of a module imports."""
    return tuple(FOLDER + name for name in _IMPORT.findall(source))


def translated_name(name: str, language: str) -> str:
    """Return the name of the copy of a module in a language."""
    return f"{name.removesuffix('.js')}.{language}.js"


@cache
def _read(storage: Any) -> PageModules:
    names = getattr(storage, "hashed_files", None) if not settings.DEBUG else None
    if not names:
        return PageModules({}, hashed=False)
    translated = frozenset(
        copy
        for name in names
        for language, _ in settings.LANGUAGES
        if (copy := translated_name(name, language)) in names
    )
    originals = {name: hashed for name, hashed in names.items() if name not in translated}
    return PageModules(dict(_imports(storage, originals)), hashed=True, translated=translated)


def _imports(storage: Any, names: dict[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, hashed_name in names.items():
        if name.startswith(FOLDER) and name.endswith(".js"):
            with storage.open(hashed_name) as file:
                yield name, imported_by(file.read().decode())

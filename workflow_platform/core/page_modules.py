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

    @cached_property
    def import_map(self) -> str:
        """Return the JSON of the import map, safe within HTML; empty if names have no hashes."""
        if not self.hashed:
            return ""
        urls = {settings.STATIC_URL + name: staticfiles_storage.url(name) for name in sorted(self.imports)}
        return json.dumps({"imports": urls}, separators=(",", ":")).replace("<", "\\u003c")

    @cached_property
    def import_map_digest(self) -> str:
        """Return the source by which a content policy allows the import map; empty without one."""
        digest = base64.b64encode(hashlib.sha256(self.import_map.encode()).digest()).decode()
        return f"'sha256-{digest}'" if self.import_map else ""

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


@cache
def _read(storage: Any) -> PageModules:
    names = getattr(storage, "hashed_files", None) if not settings.DEBUG else None
    if not names:
        return PageModules({}, hashed=False)
    return PageModules(dict(_imports(storage, names)), hashed=True)


def _imports(storage: Any, names: dict[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, hashed_name in names.items():
        if name.startswith(FOLDER) and name.endswith(".js"):
            with storage.open(hashed_name) as file:
                yield name, imported_by(file.read().decode())

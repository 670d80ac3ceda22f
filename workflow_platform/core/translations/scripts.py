"""The pages' modules in other languages: copies in which each marked text is its translation.

A module says `gettext("Retry")`. In a copy of it, which `collectstatic` stores, the literal is the German one. So no
page loads a catalogue, and a translated page is as fast as an English one. The import map of a page names the copies of
its language (`page_modules`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.pofile import read_po
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

_LITERAL = r'"(?:[^"\\\n]|\\.)*"'
_MARKED = re.compile(rf"\b(?:gettext\(\s*({_LITERAL})|ngettext\(\s*({_LITERAL}),\s*({_LITERAL}))")

Forms = str | tuple[str, ...]
"""A translation; of a text with a number, one for each plural form of the language."""


def marked_texts(source: str) -> Iterator[str | tuple[str, str]]:
    """Yield the marked texts of a module; one with a number as its singular and plural."""
    for text, singular, plural in _MARKED.findall(source):
        yield json.loads(text) if text else (json.loads(singular), json.loads(plural))


def translated(source: str, translations: Mapping[str, Forms]) -> str:
    """Return a module with its marked texts translated. What has no translation stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        literal = match[1] or match[2]
        found = translations.get(json.loads(literal))
        if not found:
            return match.group()
        if match[1]:
            return f"gettext({_written(found if isinstance(found, str) else found[0])}"
        return f"ngettext({_written(found)}, null"

    return _MARKED.sub(replaced, source)


def _written(translation: Forms) -> str:
    return json.dumps(translation, ensure_ascii=False)


def translations_of(language: str) -> dict[str, Forms]:
    """Return the translations of the texts of modules into a language."""
    path = catalogue_path(language, "djangojs")
    if not path.exists():
        return {}
    translations: dict[str, Forms] = {}
    with path.open("rb") as file:
        for message in read_po(file):
            text = message.id if isinstance(message.id, str) else message.id[0]
            forms = message.string if isinstance(message.string, str) else tuple(message.string or ())
            if text and all(forms):
                translations[text] = forms
    return translations


def catalogue_path(language: str, domain: str) -> Path:
    """Return the path of a catalogue; of the domain `django`, of Python and templates, or `djangojs`, of modules."""
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / f"{domain}.po"


class TranslatedModules(Storage):
    """The modules of another storage, read in another language."""

    def __init__(self, written: Storage, translations: Mapping[str, Forms]) -> None:
        self._written, self._translations = written, translations

    def open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        """Return a module in the language."""
        with self._written.open(name, mode) as file:
            return ContentFile(translated(file.read().decode(), self._translations).encode(), name)

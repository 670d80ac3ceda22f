"""The catalogues of texts (`locale/<language>/LC_MESSAGES/*.po`), kept up to date with the code, and compiled.

Django's `makemessages` needs the programs of GNU gettext. This needs only Babel: whoever changes a text can update the
catalogues everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

from workflow_platform.core.translations.scripts import catalogue_path, marked_texts

DOMAINS = ("django", "djangojs")
PACKAGES = ("workflow_platform", "executions", "events", "webhooks")
_WIDTH = 116
_KEYWORDS = {
    "_": None, "gettext": None, "gettext_lazy": None, "ngettext": (1, 2), "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2), "pgettext_lazy": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3),
}  # fmt: skip
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w+[^>]*>")
_FIXED = datetime(2026, 1, 1, tzinfo=UTC)
"""The time in the header of compiled catalogues, which would make each of them differ."""

Key = tuple[str | tuple[str, ...], str | None]
"""A text, or its singular and plural, and its context."""


def source_texts(domain: str) -> set[Key]:
    """Return all marked texts of the code."""
    return set(_of_modules() if domain == "djangojs" else _of_python())


def _of_modules() -> Iterator[Key]:
    for path in sorted((settings.BASE_DIR / "static/js").glob("*.js")):
        if path.name == "translations.js":
            continue  # it has examples
        for text in marked_texts(path.read_text()):
            yield text, None


def _of_python() -> Iterator[Key]:
    for package in PACKAGES:
        for path in sorted((settings.BASE_DIR / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _extracted(path.read_text())
    for path in sorted((settings.BASE_DIR / "templates").rglob("*.*")):
        # What is no marked text has become X, in lines whose indentation means nothing.
        pseudo_python = "\n".join(line.strip() for line in templatize(path.read_text()).splitlines())
        yield from _extracted(pseudo_python)


def _extracted(source: str) -> Iterator[Key]:
    for _, text, _, context in extract("python", BytesIO(source.encode()), keywords=_KEYWORDS):
        yield (text if isinstance(text, str) else tuple(text)), context


def updated(language: str, domain: str) -> Catalog:
    """Return the catalogue with exactly the texts of the code: new ones have no translation yet."""
    old, catalogue = stored(language, domain), _empty(language)
    for text, context in source_texts(domain):
        known = old.get(text, context)
        string = known.string if known is not None and not known.fuzzy else None
        catalogue.add(
            text,
            string=string,
            context=context,
            flags=["python-format"] if domain == "django" and _has_format(text) else [],
        )
    return catalogue


def _has_format(text: str | tuple[str, ...]) -> bool:
    return any("%(" in form for form in ((text,) if isinstance(text, str) else text))


def stored(language: str, domain: str) -> Catalog:
    """Return the catalogue of a language as it is stored."""
    path = catalogue_path(language, domain)
    if not path.exists():
        return _empty(language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _empty(language: str) -> Catalog:
    return Catalog(locale=language, creation_date=_FIXED, revision_date=_FIXED, fuzzy=False)


def files_of(language: str, domain: str, catalogue: Catalog) -> dict[Path, bytes]:
    """Return the files of a catalogue: that which people edit, and the compiled one, which Django reads."""
    path = catalogue_path(language, domain)
    text, compiled = BytesIO(), BytesIO()
    plural = get_plural(language)
    header = (
        'msgid ""', 'msgstr ""', rf'"Language: {language}\n"', r'"MIME-Version: 1.0\n"',
        r'"Content-Type: text/plain; charset=UTF-8\n"', r'"Content-Transfer-Encoding: 8bit\n"',
        rf'"Plural-Forms: nplurals={plural.num_plurals}; plural={plural.plural_expr};\n"', "", "",
    )  # fmt: skip
    text.write("\n".join(header).encode())
    write_po(text, catalogue, width=_WIDTH, omit_header=True, sort_output=True, no_location=True, ignore_obsolete=True)
    write_mo(compiled, catalogue)
    return {path: text.getvalue(), path.with_suffix(".mo"): compiled.getvalue()}


def faults(catalogue: Catalog) -> Iterator[str]:
    """Yield what is wrong with a catalogue: texts without a translation, and those that lack a placeholder or tag."""
    for message in catalogue:
        if not message.id:
            continue
        ids, strings = _forms(message.id), _forms(message.string)
        if not all(strings) or not strings:
            yield f"{ids[0]!r} has no translation"
            continue
        wanted = [sorted(_PLACEHOLDER.findall(each)) for each in ids]
        for string in strings:
            if sorted(_PLACEHOLDER.findall(string)) not in wanted:
                yield f"{ids[0]!r} has other placeholders or tags than {string!r}"


def _forms(text: str | Sequence[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())

"""Every text of the pages can be translated, and its copies in other languages are what the catalogues say."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from workflow_platform.core.translations.scripts import marked_texts, translated

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "templates"
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
NAMES = {"Workflow platform", "CSV", "JSON", "UTC", "API", "URL", "ID", "HTTP", "TLS", "DNS", "JavaScript", "cURL"}
NAMES |= {"API · Workflow platform", "OpenAPI", "AsyncAPI", "POST", "PUT", "PATCH", "/hooks/"}
"""What is the same in all languages."""
CODE = {
    "$json.customer",
    "execution.node_*",
    "execution.failed, workflow.*",
    "https://example.com/hooks/workflows",
    "event.data.error.code !== 'cancelled'",
    "return { text: `${event.type}: ${event.subject}` };",
    "v1: HMAC-SHA256",
    "v1a: Ed25519",
}
"""Examples and identifiers, which are the same in all languages as well."""
SHOWN_ATTRIBUTES = {"title", "placeholder", "alt", "aria-label", "aria-description", "aria-roledescription", "content"}
MACHINE_READABLE = {"viewport", "color-scheme", "htmx-config", "user"}
"""The `<meta>` elements that are not for people."""
_UNTRANSLATED = re.compile(r"{%\s*blocktrans(?:late)?\b.*?{%\s*endblocktrans(?:late)?\s*%}", re.DOTALL)
_TAGS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
_ENTITIES = re.compile(r"&\w+;")


class _Texts(HTMLParser):
    """Collects the texts of a template, and the attributes that people read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._code += tag in {"code", "pre", "kbd", "script", "style"}
        if tag == "meta" and given.get("name") in MACHINE_READABLE:
            return
        self.found += [value for name, value in attributes if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in {"code", "pre", "kbd", "script", "style"}

    def handle_data(self, data: str) -> None:
        if self._code <= 0:
            self.found.append(data)


def texts_of(template: str) -> list[str]:
    """Return the texts of a template that are not marked."""
    parser = _Texts()
    parser.feed(_TAGS.sub(" \x00 ", _UNTRANSLATED.sub(" \x00 ", template)))
    pieces = [piece.strip(" \n·") for text in parser.found for piece in _ENTITIES.sub(" ", text).split("\x00")]
    return [piece for piece in pieces if re.search(r"[A-Za-z]{2}", piece) and piece not in NAMES | CODE]


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_text_of_a_template_is_marked(path: Path) -> None:
    if path.is_relative_to(TEMPLATES / "admin") or path.is_relative_to(TEMPLATES / "django_rq"):
        pytest.skip("The admin site is in English.")
    assert texts_of(path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_is_marked_in_a_module_is_a_literal(path: Path) -> None:
    if path.name != "translations.js":
        source = path.read_text()
        marks = re.findall(r"(?<!\w)n?gettext\(", source)
        assert len(marks) == len(list(marked_texts(source)))


def test_no_text_is_marked_within_an_f_string() -> None:
    """Babel does not find it there."""
    marks = {"_", "gettext", "gettext_lazy", "ngettext"}
    packages = ("events", "executions", "webhooks", "workflow_platform")
    for path in [path for package in packages for path in (ROOT / package).rglob("*.py")]:
        source = path.read_text()
        if not any(f"{{{mark}(" in source for mark in marks):
            continue
        for text in [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr)]:
            calls = [node for node in ast.walk(text) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
            marked = [call.args for call in calls if getattr(call.func, "id", "") in marks]
            assert not [args for args in marked if isinstance(args[0], ast.Constant)], f"{path}:{text.lineno}"


def test_a_copy_of_a_module_has_the_translations() -> None:
    source = """a(gettext("Say \\"hello\\""), ngettext("{count} item", "{count} items", n), gettext("Unknown"));"""
    translations: dict[str, Any] = {
        'Say "hello"': "„Hallo“ sagen",
        "{count} item": ("{count} Element", "{count} Elemente"),
    }
    assert translated(source, translations) == (
        'a(gettext("„Hallo“ sagen"), ngettext(["{count} Element", "{count} Elemente"], null, n), gettext("Unknown"));'
    )

"""The modules of the pages: their imports, their shortened copies, and how much is downloaded for a page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

from workflow_platform.core.page_modules import PageModules, imported_by
from workflow_platform.core.translations.scripts import Forms, translated, translations_of
from workflow_platform.static_files import shortened

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
TEMPLATES = ROOT / "templates"
PAGES = sorted(path for path in TEMPLATES.rglob("*.html") if '{% extends "base.html" %}' in path.read_text())
MODULES = PageModules({f"js/{path.name}": imported_by(path.read_text()) for path in SCRIPTS}, hashed=False)
FIRST_LOAD_BYTES = 150_000
"""The bound of a page, without its data (docs/benchmarks.md)."""
HEADERS_BYTES = 400
"""Of a response with a static file."""


def test_the_imports_of_a_module_are_those_that_run() -> None:
    source = """
/** @typedef {import("./types.js").Row} Row */
import { one } from "./one.js";
import * as two from "./two.js";
import {
  three,
  more,
} from "./three.js";
import "./four.js";
export { five } from "./five.js";
export * from "./six.js";
export const from = "./seven.js";
const later = () => import("./later.js");
"""
    assert imported_by(source) == tuple(f"js/{name}.js" for name in ("one", "two", "three", "four", "five", "six"))


def test_a_module_needs_what_it_imports_through_others_once() -> None:
    imports = {"js/a.js": ("js/b.js", "js/c.js"), "js/b.js": ("js/d.js",), "js/c.js": ("js/d.js", "js/a.js")}
    modules = PageModules(imports, hashed=False)
    assert modules.needed_by("js/a.js") == ["js/a.js", "js/b.js", "js/d.js", "js/c.js"]
    assert modules.import_maps == {}


def test_every_import_names_a_module() -> None:
    assert len(MODULES.imports["js/monitor.js"]) > 15
    missing = {name: set(found) - set(MODULES.imports) for name, found in MODULES.imports.items()}
    assert {name: found for name, found in missing.items() if found} == {}


def test_comments_and_indentation_are_removed_and_lines_keep_their_numbers() -> None:
    script = (
        '/**\n * Text.\n */\nlet a = 1; // kept\n  // gone\n/** @type {any} */ (b).c();\n/* d */\n  let e = "/* f */";'
    )
    short = shortened(script)
    assert short == '\n\n\nlet a = 1; // kept\n\n/** @type {any} */ (b).c();\n\nlet e = "/* f */";'


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_line_of_a_template_literal_begins_like_a_comment(path: Path) -> None:
    source = path.read_text()
    for comment in re.finditer(r"^[ \t]*(?:/\*|//)", without_literals(source), re.MULTILINE):
        before = shortened(without_literals(source)[: comment.start()])
        assert before.count("`") % 2 == 0, source[comment.start() :][:80]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_text_of_a_template_literal_has_several_lines(path: Path) -> None:
    open_literals: list[int] = []
    """The depth of braces in the expression of each literal around the current place; -1 within its text."""
    for place in re.finditer(r"[`\n{}]|\$\{", without_literals(shortened(path.read_text()))):
        within_text = bool(open_literals) and open_literals[-1] < 0
        match place.group(), within_text:
            case "`", True:
                open_literals.pop()
            case "`", False:
                open_literals.append(-1)
            case "${", True:
                open_literals[-1] = 0
            case "\n", True:
                pytest.fail(f"{path.name} has a line break in the text of a template literal")
            case (("{" | "${"), False) if open_literals:
                open_literals[-1] += 1
            case "}", False if open_literals:
                open_literals[-1] -= 1
            case _:
                pass
    assert not open_literals


def without_literals(script: str) -> str:
    """Return a script whose texts on one line have no backticks."""
    return re.sub(r'"[^"\n]*"', lambda text: text.group().replace("`", "'"), script)


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_templates_load_modules_with_what_they_need(path: Path) -> None:
    template = path.read_text()
    assert not re.search(r'<script[^>]*type="module"', template), 'Use {% page_module "js/….js" %}.'
    assert set(re.findall(r'{% page_module "([^"]+)" %}', template)) <= set(MODULES.imports)


@pytest.fixture(scope="module", params=[code for code, _ in settings.LANGUAGES])
def translations(request: pytest.FixtureRequest) -> dict[str, Forms]:
    """The translations of the texts of modules into each language; none into English."""
    return translations_of(request.param)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_the_first_load_of_a_page_is_at_most_150_kb(path: Path, translations: dict[str, Forms]) -> None:
    parts = list(parts_of(path))
    template = "".join(part.read_text() for part in parts)
    entries = re.findall(r'{% page_module "([^"]+)" %}', template)
    files = {*re.findall(r"{% static ['\"]([^'\"]+)['\"] %}", template), *MODULES.needed_by(*entries), "icons.svg"}
    if "{% htmx_script %}" in template:
        files.add("django_htmx/htmx-2.min.js")
    import_map = "".join(f"{name}{len(name):012}" for name in MODULES.imports)
    sizes = {name: compressed(found(name, translations)) + HEADERS_BYTES for name in files}
    total = sum(sizes.values()) + compressed(template + import_map)
    assert total <= FIRST_LOAD_BYTES, (total, sorted(sizes.items(), key=lambda each: -each[1])[:10])


def parts_of(path: Path) -> Iterator[Path]:
    """Return a template, those that it includes, and its base."""
    yield path
    for name in re.findall(r'{% (?:include|extends) "([^"]+)"', path.read_text()):
        yield from parts_of(TEMPLATES / name)


def found(name: str, translations: dict[str, Forms]) -> str:
    """Return a static file as it is stored, a module with its texts translated."""
    text = Path(str(finders.find(name))).read_text()
    if name in MODULES.imports:
        text = translated(text, translations)
    return shortened(text) if name in MODULES.imports or name.startswith("css/") else text


def compressed(text: str) -> int:
    return len(gzip.compress(text.encode(), 9))

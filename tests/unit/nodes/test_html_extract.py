from __future__ import annotations

import threading
from typing import Any

import pytest

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run, run_in_context

PAGE = """<article><h2>One <a href="/1" data-Id=7>first</a></h2><p> some
  text</p><h2>Two <a>second</a></h2><input disabled></article><script>no()</script>"""


def extracted(selector: str, **more: Any) -> Any:
    extract = [{"into": "made", "selector": selector, **more}]
    return run("html_extract", {"body": PAGE}, extract=extract).outputs["main"][0]["made"]


@pytest.mark.parametrize(
    ("selector", "more", "made"),
    [
        ("h2 > a", {}, "first"),
        ("h2", {"all": True}, ["One first", "Two second"]),
        ("p", {}, "some text"),
        ("a", {"get": "attribute", "attribute": "href", "all": True}, ["/1", None]),
        ("a", {"get": "attribute", "attribute": "data-ID"}, "7"),
        ("input", {"get": "attribute", "attribute": "disabled"}, ""),
        ("h2 + p", {"get": "html"}, "<p> some\n  text</p>"),
        ("h2:has(a[href])", {"get": "inner_html"}, 'One <a href="/1" data-id="7">first</a>'),
        ("table", {}, None),
        ("table", {"all": True}, []),
    ],
)
def test_what_a_selector_finds_is_taken(selector: str, more: dict[str, Any], made: Any) -> None:
    assert extracted(selector, **more) == made


def test_the_field_can_be_inside_and_other_fields_can_be_kept() -> None:
    extract = [{"into": "page.title", "selector": "title"}]
    item = {"answer": {"body": "<title> A  B </title>"}, "n": 1}
    parameters: dict[str, Any] = {"field": "answer.body", "extract": extract}
    assert run("html_extract", item, **parameters).outputs["main"] == [{"page": {"title": "A B"}}]
    kept = run("html_extract", item, keep_other_fields=True, trim=False, **parameters).outputs["main"]
    assert kept == [item | {"page": {"title": " A  B "}}]


@pytest.mark.parametrize("selector", ["p[", "p::before", ":nonsense", "  "])
def test_a_bad_selector_is_named(selector: str) -> None:
    with pytest.raises(NodeError, match=r"parameters\.extract\.0\.selector"):
        extracted(selector)


def test_an_attribute_needs_its_name() -> None:
    with pytest.raises(NodeError, match=r"parameters\.extract\.0\.attribute"):
        extracted("a", get="attribute")


@pytest.mark.parametrize("item", [{}, {"body": 1}, {"body": "<b>" * 50_001}, {"body": "x" * 5_000_001}])
def test_what_is_no_page_or_too_large_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match=r"parameters\.field: .*\(item 0\)"):
        run("html_extract", item, extract=[{"into": "a", "selector": "b"}])


def test_a_page_made_to_be_slow_is_refused_before_it_is() -> None:
    with pytest.raises(NodeError, match="more than 20000 tags"):
        run("html_extract", {"body": "<div>" * 20_001}, extract=[{"into": "a", "selector": "div:has(p)"}])
    assert run("html_extract", {"body": "<div>" * 20_001}, extract=[{"into": "a", "selector": "p"}]).outputs


def test_each_result_came_from_the_item_of_its_page() -> None:
    result = run("html_extract", {"body": PAGE}, {"body": ""}, extract=[{"into": "a", "selector": "b"}])
    assert result.lineage == {"main": "same"}


def test_a_cancelled_run_stops() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(NodeError, match="Cancelled"):
        run_in_context(
            "html_extract",
            {"main": [{"body": PAGE}]},
            {"cancelled": cancelled},
            extract=[{"into": "a", "selector": "b"}],
        )

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest

from executions.domain.errors import NodeError
from executions.domain.graph import Node
from executions.nodes.base import NodeResult
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run, run_in_context


def test_in_mode_all_it_sees_all_items_and_gives_a_list() -> None:
    code = "return $input.all().map(item => ({ json: { twice: item.json.n * 2 } }));"
    assert run("code", {"n": 1}, {"n": 2}, code=code).outputs == {"main": [{"twice": 2}, {"twice": 4}]}


def test_in_mode_each_it_sees_one_item_and_null_drops_it() -> None:
    code = "return $json.n > 1 ? { n: $json.n } : null;"
    assert run("code", {"n": 1}, {"n": 2}, code=code, mode="each").outputs == {"main": [{"n": 2}]}


@pytest.mark.parametrize(
    ("mode", "code", "items"),
    [
        ("all", "const x = await Promise.resolve(2); return [{ x }]", [{"x": 2}]),
        ("all", "return Promise.all(items.map(async i => ({ n: await i.json.n })))", [{"n": 1}, {"n": 3}]),
        ("each", "const n = await $json.n; return n > 1 ? { n, at: $itemIndex } : null", [{"n": 3, "at": 1}]),
        ("each", "return { json: { sum: $input.item.json.n + item.json.n } }", [{"sum": 2}, {"sum": 6}]),
        ("each", "item.json.more = true; return item", [{"n": 1, "more": True}, {"n": 3, "more": True}]),
        ("all", "items[0].json.n = 9; items.pop(); return items", [{"n": 9}]),
        ("all", "const items = [{ n: 4 }]; return items", [{"n": 4}]),
        ("all", "return { a: 1 }", [{"a": 1}]),
        ("all", "return { json: { a: 1 } }", [{"a": 1}]),
        ("all", "let out; for await (const n of [1, 2]) out = n; return [{ out }]", [{"out": 2}]),
    ],
)
def test_the_words_of_code(mode: str, code: str, items: list[dict[str, object]]) -> None:
    assert run("code", {"n": 1}, {"n": 3}, code=code, mode=mode).outputs == {"main": items}


FILE = {"name": "a.pdf", "media_type": "application/pdf", "size": 5, "reference": str(UUID(int=1))}


@pytest.mark.parametrize(
    ("mode", "code", "files"),
    [
        ("each", "return { json: { n: 1 }, binary: $input.item.binary }", {"doc": FILE}),
        ("all", "return items.map(item => ({ ...item, json: { n: 1 } }))", {"doc": FILE}),
        ("each", "item.binary.doc.fileName = 'b.pdf'; return item", {"doc": FILE | {"name": "b.pdf"}}),
        ("each", "return { json: { n: 1 }, binary: { copy: $binary.doc } }", {"copy": FILE}),
        ("each", "return { json: $json, binary: {} }", None),
        ("each", "return { ...item.json, n: 2 }", {"doc": FILE}),
    ],
)
def test_files_of_items_are_binary_as_in_n8n(mode: str, code: str, files: Any) -> None:
    (item,) = run("code", {"n": 1, "$binary": {"doc": FILE}}, code=code, mode=mode).outputs["main"]
    assert item.get("$binary") == files


def test_code_cannot_make_files() -> None:
    code = "return { json: {}, binary: { data: { data: 'aGk=', mimeType: 'text/plain' } } }"
    with pytest.raises(NodeError, match=r"binary\.data of item 0 has no reference to a file.*use the node files"):
        run("code", {}, code=code)


LARGE = 7615917337495251231


@pytest.mark.parametrize(
    ("mode", "code", "ids"),
    [
        ("all", "return $input.all()", [LARGE, LARGE + 1]),
        ("each", "return { ...$json, more: 1 }", [LARGE, LARGE + 1]),
        ("all", "return items.map((item, n) => ({ json: { id: item.json.id }, pairedItem: n }))", [LARGE, LARGE + 1]),
        ("all", "return [{ id: BigInt(items[0].json.id) * 0n + 2n ** 62n + 1n }]", [2**62 + 1]),
    ],
)
def test_integers_that_code_passes_on_are_exact(mode: str, code: str, ids: list[int]) -> None:
    items = run("code", {"id": LARGE}, {"id": LARGE + 1}, code=code, mode=mode).outputs["main"]
    assert [item["id"] for item in items] == ids


def test_an_integer_that_may_be_one_of_two_is_an_error() -> None:
    with pytest.raises(NodeError, match=f"may be {LARGE} or {LARGE + 1} of the items"):
        run("code", {"id": LARGE}, {"id": LARGE + 1}, code="return [{ ids: items.map(item => item.json.id) }]")


def test_items_that_code_awaits_keep_their_origins() -> None:
    code = "await null; return [items[1], { json: { n: 5 }, pairedItem: 0 }]"
    result = run("code", {"n": 1}, {"n": 3}, code=code)
    assert (result.outputs, result.lineage) == ({"main": [{"n": 3}, {"n": 5}]}, {"main": [1, 0]})


def test_braces_in_code_are_code_and_no_template() -> None:
    assert run("code", {}, code="return [{ a: '{{ $json.n }}' }]").outputs == {"main": [{"a": "{{ $json.n }}"}]}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("return 5", "list of items"),
        ("return [5]", "item 0"),
        ("throw new Error('mine')", "mine"),
        ("for (;;) {}", "longer than"),
        ("const a = []; for (;;) a.push(new Array(100000).fill(1))", "needs more than|longer than"),
        ("return [require('fs')]", "require is not available: modules cannot be loaded"),
        ("await new Promise(done => setTimeout(done, 1))", "setTimeout is not available.*use the node wait"),
        ("return [await fetch('https://example.com')]", "use the node http_request"),
        ("await null;\nthrow new Error('later')", r"Error: later \(line 2\)"),
        ("await new Promise(() => {})", "the promise is never settled"),
        ("for (;;) await null", "longer than"),
        ("await null; for (;;) {}", "longer than"),
        ("return [Promise.resolve(1)]", "a promise within a value is not awaited"),
        ("return item", "item exists in mode `each`"),
        ("return [$getWorkflowStaticData('global')]", "exists in the node code only"),
    ],
)
def test_what_goes_wrong_is_said(code: str, said: str) -> None:
    with pytest.raises(NodeError, match=said):
        run("code", {}, code=code, time_limit_seconds=0.5)


def test_code_that_does_not_parse_is_refused_before_it_runs() -> None:
    ((field, kind, _),) = node_types()["code"].check_parameters({"code": "return ["})
    assert (field, kind) == ("parameters.code", "syntax")


def test_syntax_errors_name_the_line_of_the_code() -> None:
    ((_, _, said),) = node_types()["code"].check_parameters({"code": "let a = 1;\nlet b = ;\nreturn []"})
    assert "(line 2)" in said


def test_what_the_code_logs_goes_to_the_log_and_the_lines_beyond_the_bound_are_counted() -> None:
    logged: list[tuple[str, str]] = []
    log = {"log": lambda level, message: logged.append((level, message))}
    code = "for (let i = 0; i < 150; i++) console.log('line', i); console.warn('last'); return []"
    run_in_context("code", {"main": []}, log, code=code)
    assert logged[:2] == [("info", "line 0"), ("info", "line 1")]
    assert len(logged) == 101
    assert logged[-1] == ("warning", "51 more lines were dropped; the limit is 100 lines.")


def test_a_run_that_is_cancelled_says_so() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(NodeError, match="Cancelled"):
        run_in_context("code", {"main": []}, {"cancelled": cancelled}, code="for (;;) {}")


def each_with(on_error: str, code: str, *items: dict[str, Any], **of_node: Any) -> NodeResult:
    parameters = {"code": code, "mode": "each"}
    node = Node(id="n", name="N", type="code", parameters=parameters, on_error=on_error, **of_node)
    return run_in_context("code", {"main": list(items)}, {"node": node})


FAILS_ON_ODD = (
    "if ($json.n % 2) { throw new Error('odd') }\nif ($json.n > 4) { return 'text' }\nreturn { half: $json.n / 2 }"
)


def test_in_mode_each_the_items_that_fail_go_on_as_the_node_says() -> None:
    items = [{"n": n} for n in (2, 3, 4, 6)]
    routed = each_with("route", FAILS_ON_ODD, *items)
    assert routed.outputs["main"] == [{"half": 1}, {"half": 2}]
    assert [(item["n"], item["error"]["message"]) for item in routed.outputs["error"]] == [
        (3, "Error: odd (line 1, item 1)"),
        (6, "TypeError: The code returned text; an item must be an object. (item 3)"),
    ]
    assert (dict(routed.lineage), routed.failed_items, routed.all_failed) == (
        {"main": [0, 2], "error": [1, 3]}, 2, False,
    )  # fmt: skip
    kept = each_with("continue", FAILS_ON_ODD, *items)
    assert [item.get("half") or item["n"] for item in kept.outputs["main"]] == [1, 3, 2, 6]
    assert dict(kept.lineage) == {"main": "same"}
    assert each_with("route", "throw 1", {}, {}).all_failed


def test_in_mode_each_a_limit_or_a_retry_ends_the_attempt_for_all_items() -> None:
    with pytest.raises(NodeError, match="memory"):
        each_with("route", "const a = []; for (;;) a.push('x'.repeat(1e6) + a.length)", {}, {})
    code = "if ($json.n) throw new Error('no'); return {}"
    with pytest.raises(NodeError, match="1 item failed"):
        each_with("route", code, {"n": 1}, {"n": 0}, retry={"attempts": 2, "on": "all"})


@pytest.mark.parametrize("size", [1, 100_000])
def test_in_mode_each_an_item_that_cannot_be_stored_fails_alone(size: int) -> None:
    code = f"""
        const texts = ["\\0", "\\\\u0000", "a\\\\\\\\\\0b", "fine"];
        return {{text: texts[$itemIndex] + "x".repeat({size})}};
    """
    made = each_with("route", code, *({"n": n} for n in range(4)))
    assert [item["text"][:9].rstrip("x") for item in made.outputs["main"]] == ["\\u0000", "fine"]
    errors = [(item["n"], item["error"]["message"][11:]) for item in made.outputs["error"]]
    assert errors == [
        (n, f"The output contains the character U+0000, which cannot be stored. (item {n})") for n in (0, 2)
    ]


def test_in_mode_each_a_rejected_promise_fails_its_item_only() -> None:
    code = "const n = await Promise.resolve($json.n); if (n === 1) throw new Error('one'); return { n }"
    result = each_with("continue", code, {"n": 0}, {"n": 1}, {"n": 2})
    assert [(item["n"], "error" in item) for item in result.outputs["main"]] == [(0, False), (1, True), (2, False)]

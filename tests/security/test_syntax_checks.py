"""Texts that leave the wrapper of a syntax check, or are hard to parse: none of them runs, and nobody has to wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import requests

from executions.domain.syntax import check_code as check_code_here
from executions.domain.syntax import check_syntax as check_template_here
from executions.sandbox.checking import check_code, check_template
from tests.conftest import Platform
from tests.people import Person
from tests.servers import connections
from tests.workflows import edge, node
from webhooks.transforms import check_filter, check_transform
from workflow_platform.core.sandbox.checking import CheckFailed, Checks
from workflow_platform.core.sandbox.javascript import CHECK_MEMORY_BYTES
from workflow_platform.installation.embedded import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
LOOP = "while (true);"
ALLOCATE = "const all = []; for (;;) all.push(new Array(100000).fill(1));"
THROW = "throw new Error('MARKER');"
CODE = [LOOP, ALLOCATE, THROW]

# `%s` is what must not run. Each closes something that a wrapper of a function body may have opened.
BODY_ESCAPES = [
    "}); %s (function () {",
    "}; %s (function () {",
    "} %s {",
    "}\n%s\n{",
    "}) ; %s ({ m() {",
    "}}; %s ({ m() {",
    "}}); %s ({ m() {",
    "}, x = (() => { %s })(), function () {",
    "}[(() => { %s })()] = function () {",
    "}((() => { %s })()); (function () {",
    "}`${(() => { %s })()}`; (function () {",
    "} : 0; %s 0 ? () => {",
    "} : (() => { %s })(); (function () {",
    "} : 0; }); %s (function () { 0 ? () => {",
    "}); %s //",
    "}); %s /*",
    "}); %s <!--",
    "}\n--> \n); %s (function () {",
    "}); %s `",
    "}); %s (function () { return `${",
    "}); label: { %s } (function () {",
    "});\u2028%s\u2029(function () {",
    "});\r%s\r(function () {",
    "//\u2028}); %s (function () {",
    "//\r}); %s (function () {",
    "/* */ }); %s (function () { /* */",
    "'\\\n'; }); %s (function () {",
    "return /[/]/; }); %s (function () {",
    "'use strict'; }); %s (function () {",
    "} get x() { %s } static {",
    "} finally { %s } try {",
    "} while (true); do {",
    "}); function Error() { %s } class X { static { %s } } (function () {",
    "return 1 }\0; %s",
    "}); eval(`%s`); (function () {",
    "});\n#!\n%s (function () {",
    "} catch { %s } try {",
]  # fmt: skip
EXPRESSION_ESCAPES = [
    "1); %s (2",
    "1)); %s ((2",
    "1)))); %s ((((2",
    "1\n)\n); %s ((\n2",
    "1]; %s [2",
    "1]); %s ([2",
    "1) => 1, (() => { %s })(), (2",
    "1))(), (() => { %s })(), (() => (2",
    "1)); %s //",
    "1)); %s /*",
    "1)); %s <!--",
    "1)); %s `",
    "`)); %s ((`; 1)); %s ((2",
    "1 // \u2028)); %s ((2",
    "1 /* */)); %s ((2",
    "/[)]/)); %s ((2",
    "1); } %s { (2",
    "1 }); %s (function () { return (2",
    "1); }); %s (function () { return (2",
    "...[1]); %s (2",
    "1;) %s (2",
    "import.meta)); %s ((2",
    "await 1)); %s ((2",
]
BODIES = [escape.replace("%s", code) for escape in BODY_ESCAPES for code in CODE]
EXPRESSIONS = [escape.replace("%s", code) for escape in EXPRESSION_ESCAPES for code in CODE]
HARMLESS_BODIES = [
    LOOP,
    ALLOCATE,
    THROW,
    "class X { static { while (true); } }",
    "(function () { while (true); })()",
    "return 1 //",
    "return `}); ${'while (true);'} (function () {`",
    "/* }); while (true); (function () { */",
    "return /}\\); while/",
    "<!-- a comment",
    "import('x'); a: for (;;) { break a }",
    "'\\u2028\u2028'; return [1]",
]
HARMLESS_EXPRESSIONS = [
    "(() => { while (true); })()",
    "(function () { const a = []; for (;;) a.push(new Array(100000)); })()",
    "1 // )); while (true); ((",
    "`)); while (true); ((`",
    "')'",
    "(1), (2)",
    "{a: 1}",
    "1\n--> )); while (true); ((2",
]


@pytest.mark.parametrize("text", BODIES)
def test_a_text_that_leaves_a_function_is_refused(text: str) -> None:
    assert "SyntaxError" in (check_code_here(text) or "")
    assert "SyntaxError" in (check_transform(text) or "")
    assert "Error: MARKER" not in (check_code_here(text) or "")


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_text_that_leaves_an_expression_is_refused(text: str) -> None:
    assert re.search("syntax error|no closing", check_template_here("{{ " + text + " }}") or "")
    assert "SyntaxError" in (check_filter(text) or "")


@pytest.mark.parametrize("text", HARMLESS_BODIES)
def test_code_that_would_never_end_is_accepted_without_running(text: str) -> None:
    assert check_code_here(text) is None
    assert check_transform(text) is None


@pytest.mark.parametrize("text", HARMLESS_EXPRESSIONS)
def test_an_expression_that_would_never_end_is_accepted_without_running(text: str) -> None:
    assert check_template_here("{{ " + text + " }}") is None
    assert check_filter(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1_000_000,
        "[" * 100_000 + "]" * 100_000,
        "{" * 100_000,
        "`${" * 100_000,
        "x => " * 100_000,
        "!" * 1_000_000 + "1",
        "/" + "(" * 100_000 + ")" * 100_000 + "/",
        "/" + "(?:a{1,999}" * 5_000 + "){1,999}" * 5_000 + "/",
        "'" + "x" * 5_000_000 + "' +",
        "function f() {" * 50_000,
        "class A extends (" * 50_000,
        "if (a) " * 200_000,
    ],
)
def test_a_text_that_is_hard_to_parse_is_refused_and_the_process_lives(text: str) -> None:
    assert "SyntaxError" in (check_code_here(text) or "")


def test_what_no_column_can_store_is_refused() -> None:
    assert "U+0000" in (check_code_here("return '\0'") or "")
    assert "U+D800" in (check_code_here("return '\ud800'") or "")
    assert "surrogate" in (check_code("return '\ud800'") or "")


def test_the_line_of_an_error_is_the_line_of_the_text() -> None:
    assert (check_code_here("let a = 1;\nlet a = 2;") or "").endswith("(line 2)")
    assert (check_code_here("let a = ;") or "").endswith("(line 1)")
    assert (check_code("\n\nlet 1;\n") or "").endswith("(line 3)")


def test_braces_without_end_are_read_once() -> None:
    assert check_template("{{" * 500_000, "one") == "An expression starts with {{ but has no closing }}."


def test_a_text_that_takes_too_long_to_parse_is_refused_with_the_limit() -> None:
    assert "longer than" in (check_code(many_variables(), "one") or "")


@pytest.mark.parametrize(
    "function", ["faulthandler:_sigsegv", "faulthandler:_sigabrt", "faulthandler:_fatal_error_c_thread", "os:nothing"]
)
def test_a_check_that_ends_its_process_is_an_error_and_the_next_one_works(function: str) -> None:
    with pytest.raises(CheckFailed, match="make the text simpler"):
        Checks(function, "The syntax check").verdicts([("code", "1")], "one")
    assert check_code(f"return '{uuid4()}'", "one") is None


def test_contexts_are_made_in_one_place_with_all_of_their_limits() -> None:
    folders = ("workflow_platform", "executions", "webhooks", "events")
    made_in = {
        str(file.relative_to(ROOT))
        for folder in folders
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"quickjs\.(Context|Function)\(", file.read_text())
    }
    assert made_in == {"workflow_platform/core/sandbox/javascript.py"}
    assert CHECK_MEMORY_BYTES > 0


# --- over the API ----------------------------------------------------------------------------------------------------


def many_variables() -> str:
    """Return code that QuickJS parses for seconds, comparing each variable with all others. No two are the same."""
    return f"// {uuid4()}\nlet " + ",".join(f"a{n}" for n in range(60_000)) + ";"


def workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    edges = [edge("start", each["id"]) for each in nodes]
    return {"name": f"W {uuid4()}", "nodes": [node("start", "manual_trigger"), *nodes], "edges": edges}


@pytest.fixture(scope="module")
def person(platform: Platform) -> Callable[[], Person]:
    """Return what makes people who are admins of the first workspace."""
    return lambda: Person(platform, "admin")


@pytest.fixture
def web(platform: Platform) -> Iterator[psutil.Process]:
    """Return the web process; in the end it must have nothing left to compute."""
    port = int(platform.environment["PORT"])
    found = next(
        process for process, each in connections() if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    )
    yield found
    before = [0.0]

    def still() -> bool:
        times = found.cpu_times()
        used, before[0] = times.user + times.system - before[0], times.user + times.system
        return used < 0.01

    wait_until(still, "The web process to be still")


def test_no_text_in_a_workflow_leaves_its_check(platform: Platform, web: psutil.Process) -> None:
    codes = [text for text in BODIES if "\0" not in text]
    nodes = [node(f"c{n}", "code", code=text) for n, text in enumerate(codes)]
    nodes += [node(f"e{n}", "set", fields={"a": "{{ " + text + " }}"}) for n, text in enumerate(EXPRESSIONS)]
    body = workflow(*nodes)
    answer = platform.request("POST", "/api/workflows/validate/", json={k: body[k] for k in ("nodes", "edges")})
    assert answer.status_code == 200
    found = {problem["node"]: problem["message"] for problem in answer.json()["errors"]}
    assert set(found) == {each["id"] for each in nodes}
    assert all(re.search("syntax error|no closing", said) for said in found.values())


def test_no_concurrency_key_leaves_its_check(platform: Platform, web: psutil.Process) -> None:
    for text in EXPRESSIONS[::3]:
        settings = {"concurrency": {"limit": 1, "key": "{{ " + text + " }}"}}
        answer = platform.request("POST", "/api/workflows/", json=workflow() | {"settings": settings})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "settings.concurrency.key"


def test_no_script_of_an_endpoint_leaves_its_check(platform: Platform, web: psutil.Process) -> None:
    scripts = [("filter", text) for text in EXPRESSIONS[::3]] + [("transform", text) for text in BODIES[::3]]
    for field, text in scripts:
        if "\0" in text:
            continue
        body = {"url": "http://127.0.0.2:9/", "event_types": ["execution.*"], field: text}
        answer = platform.request("POST", "/api/webhooks/endpoints/", json=body)
        assert answer.status_code == 400
        assert "SyntaxError" in str(answer.json())


def test_what_would_never_end_is_saved_and_not_run(platform: Platform, web: psutil.Process) -> None:
    nodes = [node(f"c{n}", "code", code=text) for n, text in enumerate(HARMLESS_BODIES)]
    nodes += [node(f"e{n}", "set", fields={"a": "{{ " + text + " }}"}) for n, text in enumerate(HARMLESS_EXPRESSIONS)]
    endless = "{{ (() => { while (true); })() }}"
    body = workflow(*nodes) | {"settings": {"concurrency": {"limit": 1, "key": endless}}}
    saved = platform.request("POST", "/api/workflows/", json=body)
    assert saved.status_code == 201, saved.text
    for path in ("execute", "clone"):
        answer = platform.request("POST", f"/api/workflows/{saved.json()['id']}/{path}/", json={})
        assert answer.status_code == {"execute": 409, "clone": 201}[path]
    refused = platform.request("POST", f"/api/workflows/{saved.json()['id']}/execute/", json={}).json()
    assert "settings.concurrency.key" in refused["detail"]
    assert "took longer than" in refused["detail"]


def test_a_stranger_saves_while_twenty_checks_of_an_attacker_run(
    platform: Platform, person: Callable[[], Person], web: psutil.Process
) -> None:
    attacker, stranger = person(), person()
    bodies = [workflow(node("c", "code", code=many_variables())) for _ in range(40)]

    def attack(body: dict[str, Any]) -> requests.Response:
        return attacker.request("POST", "/api/workflows/validate/", json={k: body[k] for k in ("nodes", "edges")})

    with ThreadPoolExecutor(40) as threads:
        attacks = [threads.submit(attack, body) for body in bodies]
        wait_until(lambda: len(web.children()) > 0, "The checks of the attacker")
        saved = stranger.request("POST", "/api/workflows/", json=workflow(node("c", "code", code="return []")))
        assert saved.status_code == 201, saved.text
        answers = [each.result() for each in attacks]
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code != 200)
    assert all("longer than" in answer.text for answer in answers if answer.status_code == 200)
    assert any(answer.status_code == 200 for answer in answers)

"""JavaScript in parameters: values kept, limits held, nothing of the host in reach."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from executions.domain.expressions import Budget, BudgetExceeded, Evaluator, ExpressionError, ExpressionScope
from executions.domain.syntax import check_syntax
from executions.engine.sandbox_runner import FallbackEvaluator

SCOPE = ExpressionScope(
    [{"n": 1, "name": "Ada"}, {"n": 2}],
    {"Before": lambda: [{"kept": True}]},
    {"id": "an-execution", "trigger": "manual"},
    {"id": "a-workflow", "name": "W"},
    {"limit": 5},
)


def resolved(value: Any, item: int = 0) -> Any:
    return Evaluator(SCOPE, time_limit=0.5).resolve(value, item)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ $json.n }}", 1),
        (" {{ $json.n }} ", 1),
        ("{{ ({ a: [1, null, 'x'] }) }}", {"a": [1, None, "x"]}),
        ("{{ undefined }}", None),
        ("{{ $json.n > 0 }}", True),
        ("{{ $input.all().length }}", 2),
        ("{{ $execution.id }}", "an-execution"),
        ("{{ $workflow.name }}", "W"),
        ("{{ $vars.limit }}", 5),
        ("n={{ $json.n }}, {{ $json.name }}!", "n=1, Ada!"),
        ("{{ $json.n }}{{ $json.n }}", "11"),
        ("plain", "plain"),
        ("{ not one }", "{ not one }"),
    ],
)
def test_an_expression_keeps_its_type_and_text_around_it_makes_text(template: str, value: Any) -> None:
    assert resolved(template) == value


def test_each_item_is_seen_in_its_turn() -> None:
    evaluator = Evaluator(SCOPE)
    assert [evaluator.resolve("{{ $json.n }}", index) for index in (0, 1)] == [1, 2]


@pytest.mark.parametrize(
    "source",
    [
        "for (;;) {}",
        "let s = 'x'; for (;;) s += s",
        "const a = []; for (;;) a.push({})",
        "(function f() { return f() + f() })()",
        "/(a+)+$/.test('a'.repeat(40) + 'b')",
    ],
)
def test_what_would_go_on_for_ever_ends_with_an_error(source: str) -> None:
    evaluator = Evaluator(SCOPE, time_limit=0.3, memory_limit=32 * 2**20)
    with pytest.raises(ExpressionError):
        evaluator.resolve("{{ (() => { " + source + " })() }}")


def test_what_other_threads_compute_is_not_counted_against_an_expression() -> None:
    """QuickJS counts the CPU time of its whole process: what is long is done in a process of its own."""
    source = "{{ (() => { let n = 0; while (n < 1000000) n++; return n })() }}"
    over = threading.Event()
    others = [threading.Thread(target=lambda: [None for _ in iter(over.is_set, True)]) for _ in range(2)]
    for other in others:
        other.start()
    try:
        assert FallbackEvaluator(SCOPE, "workspace", threading.Event()).resolve(source) == 1_000_000
    finally:
        over.set()
        for other in others:
            other.join()


@pytest.mark.parametrize(
    "source",
    [
        "(() => { for (;;) {} })()",
        "new Array(4e6).fill({ a: 1 }).length",
        "$('large').all().length",
    ],
)
def test_what_is_beyond_the_budget_of_a_thread_is_left_to_a_sandbox_process(source: str) -> None:
    scope = ExpressionScope([{}], {"large": lambda: [{"text": "x" * 100_000}]})
    with pytest.raises(BudgetExceeded):
        Evaluator(scope, budget=Budget()).resolve("{{ " + source + " }}")


def test_a_budget_is_for_all_evaluations_together() -> None:
    evaluator = Evaluator(ExpressionScope([{"n": 1}]), budget=Budget(cpu_seconds=0.05))

    def evaluate_for_ever() -> None:
        while True:
            evaluator.resolve("{{ (() => { let n = 0; while (n < 10000) n++; return n })() }}")

    with pytest.raises(BudgetExceeded):
        evaluate_for_ever()


def test_proto_is_a_field_like_any_other() -> None:
    assert Evaluator(ExpressionScope([{"__proto__": {"a": 1}}])).resolve("{{ $json }}") == {"__proto__": {"a": 1}}


def test_an_expression_is_one_expression() -> None:
    for source in ("1); (2", "1; 2", "return 1", "1, 2)"):
        with pytest.raises(ExpressionError, match="SyntaxError"):
            resolved("{{ " + source + " }}")


def test_each_evaluation_has_a_time_limit_of_its_own() -> None:
    evaluator = Evaluator(SCOPE, time_limit=0.3)
    loop = "{{ (() => { const until = Date.now() + 60; while (Date.now() < until); return $itemIndex })() }}"
    assert [evaluator.resolve(loop, index % 2) for index in range(10)] == [0, 1] * 5


@pytest.mark.parametrize(
    "spoiled",
    [
        "Error.prototype.toString = () => { for (;;); }; for (;;);",
        "Object.prototype[Symbol.toPrimitive] = () => { for (;;); }; for (;;);",
        "Object.defineProperty(Error.prototype, 'stack', { get: () => { for (;;); } , } ); for (;;);",
        "Error.stackTraceLimit=0; Object.defineProperty(Error.prototype, 'stack', { get() { for (;;); }, } ); for (;;)",
        "throw new Proxy(new Error('x'), { get: () => { for (;;); } })",
        "throw { toString: () => { for (;;); }, toJSON: () => { for (;;); } }",
    ],
)
def test_an_error_that_computes_when_it_is_read_does_not_hang_the_worker(spoiled: str) -> None:
    code = (
        "from executions.domain.expressions import *\n"
        f"try: Evaluator(ExpressionScope([]), time_limit=0.1).resolve({'{{ (() => { ' + spoiled + ' ; })() }}'!r})\n"
        "except ExpressionError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    assert "took longer than 0.1 s" in done.stdout


@pytest.mark.parametrize("name", ["require", "process", "std", "os", "fetch", "XMLHttpRequest", "import.meta"])
def test_nothing_of_the_host_is_in_reach(name: str) -> None:
    try:
        assert resolved("{{ typeof " + name + " }}") == "undefined"
    except ExpressionError:
        return


def test_an_error_shows_the_expression_that_it_is_about() -> None:
    with pytest.raises(ExpressionError, match=r"\$json\.a\.b"):
        resolved("{{ $json.a.b }}")


@pytest.mark.parametrize("bad", ["1 +", "{", "for", "a b"])
def test_syntax_is_checked_without_running(bad: str) -> None:
    assert check_syntax("{{ " + bad + " }}") is not None


def test_good_syntax_is_fine() -> None:
    assert check_syntax("{{ $json.n + 1 }} and text") is None

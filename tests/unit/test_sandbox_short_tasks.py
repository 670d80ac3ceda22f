"""Questions to sandbox processes: expressions, verdicts, bounds; and work in batches by workspace."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from unittest import mock
from uuid import uuid4

import orjson
import pytest

from executions.domain.expressions import TIME_LIMIT_SECONDS, ExpressionError, ExpressionScope
from executions.sandbox.evaluate import NOT_REACHED, EvaluationRequest, evaluate_all
from workflow_platform.core.sandbox import checking, short_tasks
from workflow_platform.core.sandbox.batching import Batches
from workflow_platform.core.sandbox.checking import Checks
from workflow_platform.core.sandbox.pool import Pool
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable, TooManyTasks, run_short_task
from workflow_platform.core.sandbox.task import Task
from workflow_platform.installation.embedded import wait_until

ENDLESS = "{{ (() => { while (true); })() }}"
QUESTION = EvaluationRequest(ENDLESS, ExpressionScope([{}])).as_dict()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Return a pool with one place, and one of the reserve, that `run_short_task` uses."""
    found = Pool(1)
    monkeypatch.setattr(short_tasks, "sandbox", lambda: found)
    yield found
    found.close()


def evaluate(
    template: str, scope: ExpressionScope, *, group: str, item_index: int = 0, time_limit: float = TIME_LIMIT_SECONDS
) -> Any:
    """Ask for one expression. Returns its value, or raises its error."""
    (answer,) = evaluate_all([EvaluationRequest(template, scope, item_index)], group=group, time_limit=time_limit)
    if isinstance(answer, ExpressionError):
        raise answer
    return answer


def endless() -> Task:
    """Return a task that computes until its process is ended."""
    part = orjson.dumps({"seconds": 600, "in_all": 600, "memory": 2**27, "output": 2**20})
    return Task("executions.sandbox.resolving:run", [part, orjson.dumps([QUESTION])], 600, 2**27, 2**20)


def test_an_expression_sees_its_scope_and_keeps_its_type() -> None:
    scope = ExpressionScope([{"n": 1}, {"n": 2}], {"Before": lambda: [{"x": [1]}]}, {"id": "e"}, {"id": "w"}, {"v": 3})
    template = "{{ [$json.n, $('Before').first().json.x, $execution.id, $workflow.id, $vars.v, $items().length] }}"
    assert evaluate(template, scope, group="one", item_index=1) == [2, [1], "e", "w", 3, 2]
    assert evaluate("n is {{ $json.n }}", scope, group="one") == "n is 1"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (ENDLESS, "took longer than 0.5 s"),
        ("{{ $json.no.such }}", "TypeError"),
        ("{{ (() => { const a = []; for (;;) a.push(new Array(1e6).fill(1)) })() }}", "needs more than|longer than"),
        ("{{ 'x'.repeat(5e6) }}", "at most 4194304"),
        ("{{ [..." + "'x'.repeat(3e6)].sort(() => 1) }}", "needs more than|longer than"),
        ("{{ 1)); while (true); ((1 }}", "SyntaxError"),
    ],
)
def test_an_expression_that_gives_no_value_is_an_error_that_says_why(template: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        evaluate(template, ExpressionScope([{}]), group="one", time_limit=0.5)


def test_questions_are_answered_together_and_those_without_time_are_told() -> None:
    def answers(*templates: str) -> list[object]:
        return evaluate_all([EvaluationRequest(each, ExpressionScope([{}])) for each in templates], group="one")

    assert answers("{{ 1 }}", "{{ no }}", "{{ 3 }}")[::2] == [1, 3]
    found = answers(ENDLESS, ENDLESS, ENDLESS, ENDLESS, "{{ 1 }}")
    assert isinstance(found[0], ExpressionError)
    assert found[-1] is NOT_REACHED


def test_a_question_that_has_no_answer_in_time_says_so(pool: Pool) -> None:
    with pytest.raises(SandboxUnavailable, match=r"The question took longer than 0\.2 s") as raised:
        run_short_task(endless(), "The question", group="one", seconds=0.2)
    assert (raised.value.status, raised.value.retry_after) == (503, 2)


def test_a_group_has_a_bounded_number_of_questions_waiting_and_others_are_answered(pool: Pool) -> None:
    with ThreadPoolExecutor(short_tasks.MOST_WAITING + 1) as threads:
        asked = [
            threads.submit(run_short_task, endless(), "The question", group="attacker", seconds=600)
            for _ in range(short_tasks.MOST_WAITING + 1)
        ]
        wait_until(lambda: pool._turns.waiting() == short_tasks.MOST_WAITING, "All questions but one to wait")
        with pytest.raises(TooManyTasks, match="16 requests of this workspace wait already") as raised:
            run_short_task(endless(), "The question", group="attacker")
        assert raised.value.status == 429
        assert evaluate("{{ 1 }}", ExpressionScope([{}]), group="stranger") == 1
        pool.close()  # ends those that run; each of the others starts a process of its own, and is ended
        wait_until(lambda: _end_all(pool) or all(each.done() for each in asked), "The end of the questions")
    assert {type(each.exception()) for each in asked} == {SandboxUnavailable}


def _end_all(pool: Pool) -> None:
    for pid in pool.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_verdicts_are_asked_for_once_and_in_one_task() -> None:
    checks, texts = (
        Checks("executions.domain.syntax:run", "The syntax check"),
        [("code", f"return '{uuid4()}'"), ("code", "(")],
    )
    with mock.patch.object(checking, "run_short_task", wraps=checking.run_short_task) as asked:
        first = checks.verdicts([*texts, *texts], "one")
        again = checks.verdicts(reversed(texts), "two")
    assert first == again
    assert (first[texts[0]], asked.call_count) == (None, 1)
    assert "SyntaxError" in str(first[texts[1]])


def test_remembered_verdicts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "REMEMBERED", 3)
    checks = Checks("executions.domain.syntax:run", "The syntax check")
    checks.verdicts([("code", f"return {n}") for n in range(10)], "one")
    assert len(checks._known) == 3


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_group_that_is_stuck_keeps_no_other_waiting_and_takes_what_has_come_together() -> None:
    go, done = threading.Event(), []

    def work(group: str, batch: Sequence[int]) -> Sequence[int]:
        if group == "stuck":
            assert go.wait(60)
        done.append((group, list(batch)))
        return []

    batches: Batches[int] = Batches("tests", 3, work, lambda batch: None)
    batches.put("stuck", 0)
    wait_until(lambda: not batches._waiting["stuck"], "The first to be taken")
    for n in range(1, 6):
        assert batches.put("stuck", n, most_waiting=5)
    assert not batches.put("stuck", 6, most_waiting=5)
    batches.put("other", 1)
    wait_until(lambda: done == [("other", [1])], "The other group's work")
    go.set()
    wait_until(lambda: len(done) == 4, "All work")
    assert done[1:] == [("stuck", [0]), ("stuck", [1, 2, 3]), ("stuck", [4, 5])]


def test_what_a_batch_did_not_get_to_comes_first_and_a_bug_ends_only_its_batch() -> None:
    done: list[int] = []
    failed: list[int] = []

    def work(group: str, batch: Sequence[int]) -> Sequence[int]:
        if 7 in batch:
            raise ValueError("a bug")
        done.append(batch[0])
        return batch[1:]

    batches: Batches[int] = Batches("tests", 3, work, failed.extend)
    for n in (1, 2, 3, 7):
        batches.put("one", n)
    wait_until(lambda: not batches._waiting, "All work")
    assert (done + failed)[0] == 1
    assert 7 in failed
    assert sorted({*done, *failed}) == [1, 2, 3, 7]

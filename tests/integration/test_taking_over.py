"""What a rerun takes over, where only a hand on the engine gets at it."""

from __future__ import annotations

from typing import Any

import pytest

from executions import lifecycle, reruns
from executions.domain.statuses import ExecutionStatus
from executions.holds import inputs_of
from executions.lifecycle import CannotStart
from executions.models import Execution, NodeRun
from executions.reruns import planning
from tests.engine import COMMITS, claim_leases, commit, make_execution
from tests.workflows import edge, node


def make_ended(turns: int = 1, *, items: list[dict[str, Any]] | None = None) -> Execution:
    """Return a completed execution in which `a` ran so many times and `b` once."""
    nodes = [node("start", "manual_trigger"), node("a", "no_op"), node("b", "no_op")]
    execution = make_execution(nodes, [edge("start", "a"), edge("a", "b")])
    (claimed,) = claim_leases([execution.pk], "a worker")
    lease, runs = claimed.lease, []
    for name, index in [("start", 0), *(("a", i) for i in range(turns)), ("b", 0)]:
        run = NodeRun(execution=execution, node_id=name, name=name, node_type="no_op", run_index=index)
        runs.append(run)
        source = {"a": "start", "b": "a"}.get(name)
        run.inputs = {"main": [{"node": source, "run_index": 0, "output": "main"}]} if source else {}
        change = lifecycle.start_node(claimed.execution, lease, run, 1)
        run.output, run.output_items, run.duration_ms = {"main": items or [{"of": name}]}, 1, 1.0
        change += lifecycle.complete_node(claimed.execution, lease, run, None)
        commit(change)
    end = lifecycle.end(claimed.execution, lease, ExecutionStatus.COMPLETED, runs, {}, follow_up=False)
    commit(end)
    return Execution.objects.select_related("workflow__latest_version", "version").get(pk=execution.pk)


@COMMITS
def test_what_was_taken_over_outlives_the_execution_that_it_came_from() -> None:
    old = make_ended()
    made = reruns.rerun(old, reruns.RerunRequest("b"), None)
    old.delete()
    (claimed,) = claim_leases([made.pk], "a worker")
    assert [(run.node_id, run.output) for run in claimed.runs] == [
        ("start", {"main": [{"of": "start"}]}),
        ("a", {"main": [{"of": "a"}]}),
    ]
    made.refresh_from_db()
    assert made.rerun_of is None
    assert inputs_of(made, claimed.runs[1]) == {"main": [{"of": "start"}]}


@COMMITS
def test_a_rerun_that_would_take_over_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_ended(turns=3)
    monkeypatch.setattr(planning, "MAX_REUSED", 3)
    with pytest.raises(reruns.CannotRerun, match="4 node runs"):
        reruns.rerun(old, reruns.RerunRequest("b"), None)
    assert not old.reruns.exists()


@COMMITS
def test_the_executions_of_a_deleted_workflow_are_not_rerun() -> None:
    old = make_ended()
    old.workflow.deleted_at = old.queued_at
    with pytest.raises(CannotStart, match="deleted"):
        reruns.rerun(old, reruns.RerunRequest(), None)


@COMMITS
def test_a_node_that_took_nothing_in_is_no_place_to_begin_at_without_an_input() -> None:
    old = make_ended()
    NodeRun.objects.filter(execution=old, node_id="b").delete()
    NodeRun.objects.filter(execution=old, node_id="a").update(output={})
    with pytest.raises(reruns.CannotRerun, match="Add an input"):
        reruns.rerun(old, reruns.RerunRequest("b"), None)
    made = reruns.rerun(old, reruns.RerunRequest("b", input=[{"n": 1}]), None)
    assert made.replaced_input == {"b": [{"n": 1}]}

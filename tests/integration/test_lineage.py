"""Which item an item came from, as expressions, code and the API see it: over every kind of node and every detour."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from executions import reruns
from executions.lifecycle import create_execution
from executions.models import Execution, NodeRun, Trigger, Wait
from tests.engine import COMMITS, make_workflow, run_here
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Membership, Role, User
from workflow_platform.installation.embedded import wait_until

pytestmark = COMMITS

FROM = {"from": "{{ $('start').item.json.i }}"}
ITEMS = [{"i": 1}, {"i": 2}, {"i": 3}]


def mark(id: str = "mark", **fields: Any) -> dict[str, Any]:
    """Return a node that writes down which item of `start` it works on."""
    return node(id, "set", fields=fields or FROM, keep_other_fields=False)


def run(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], items: list[dict[str, Any]] = ITEMS) -> Execution:
    """Run a workflow that begins at `start`, in this process."""
    workflow = make_workflow([node("start", "manual_trigger"), *nodes], edges)
    return run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=items))


def given(execution: Execution, node_id: str = "mark", output: str = "main") -> list[dict[str, Any]]:
    """Return what all runs of the node gave, in order."""
    assert execution.status == "completed", execution.error
    runs = NodeRun.objects.filter(execution=execution, node_id=node_id).order_by("run_index")
    return [item for each in runs for item in (each.output or {}).get(output, [])]


def after(*nodes: dict[str, Any], items: list[dict[str, Any]] = ITEMS, output: str = "main") -> Execution:
    """Run nodes in a chain after `start`; the last node follows the output of that name."""
    ids = ["start", *(each["id"] for each in nodes)]
    edges = [edge(a, b, output if a == ids[-2] else "main") for a, b in pairwise(ids)]
    return run([*nodes], edges, items)


def froms(*values: int) -> list[dict[str, Any]]:
    return [{"from": value} for value in values]


def test_an_item_keeps_its_origin_through_filters_branches_splits_and_loops() -> None:
    filtered = after(node("few", "filter", condition="{{ $json.i > 1 }}"), mark())
    assert given(filtered) == froms(2, 3)  # A1
    branched = after(node("even", "if", condition="{{ $json.i % 2 === 0 }}"), mark(), output="true")
    assert given(branched) == froms(2)  # A3
    looped = run(
        [node("each", "loop", batch_size=1), mark(), mark("end")],
        [edge("start", "each"), edge("each", "mark", "loop"), edge("mark", "each"), edge("each", "end", "done")],
    )
    assert given(looped) == froms(1, 2, 3)  # A5
    assert given(looped, "end") == froms(1, 2, 3)
    order = [{"field": "i", "direction": "descending"}]
    assert given(after(node("sort", "sort", fields=order), mark())) == froms(3, 2, 1)
    assert given(after(node("last", "limit", count=2, keep="last"), mark())) == froms(2, 3)
    twice = [{"i": 1, "k": 1}, {"i": 2, "k": 1}, {"i": 3, "k": 2}]
    assert given(after(node("one", "remove_duplicates", fields=["k"]), mark(), items=twice)) == froms(1, 3)
    paused = after(
        node("off", "filter", condition="{{ false }}") | {"disabled": True}, node("w", "wait", seconds=0.01), mark()
    )
    assert given(paused) == froms(1, 2, 3)


def test_an_item_keeps_its_origin_through_branches_that_meet_in_one_node() -> None:
    branches = [node("one", "if", condition="{{ $json.i === 1 }}"), node("a", "no_op"), node("b", "no_op")]
    split = [edge("start", "one"), edge("one", "a", "true"), edge("one", "b", "false")]
    met = run([*branches, mark()], [*split, edge("a", "mark"), edge("b", "mark")])
    assert given(met) == froms(1, 2, 3)
    appended = run(
        [*branches, node("merge", "merge"), mark()],
        [*split, edge("b", "merge", input="input1"), edge("a", "merge", input="input2"), edge("merge", "mark")],
    )
    assert given(appended) == froms(2, 3, 1)  # A6
    orders = [{"i": 1, "lines": ["a", "b"]}, {"i": 2, "lines": ["c"]}]
    assert given(after(node("split", "split_out", field="lines"), mark(), items=orders)) == froms(1, 1, 2)  # A4


def test_code_tells_the_origin_of_its_items() -> None:
    paired = node("code", "code", code="return [{ json: { a: 1 }, pairedItem: 0 }]")
    assert given(after(paired, node("end", "no_op")), "code") == [{"a": 1}]  # D3
    for code, wanted in {
        "return [{ json: { a: 1 }, pairedItem: 2 }, { json: { a: 2 }, pairedItem: { item: 0 } }]": (3, 1),
        "return [{ json: { a: 1 }, pairedItem: [1, { item: 1, input: 0 }] }]": (2,),
        "return [{ json: { a: 1 }, pairedItem: 1, binary: {} }]": (2,),
        "for (const item of $input.all()) { item.json.seen = true } return $input.all().reverse()": (3, 2, 1),
        "return $input.all().filter(item => item.json.i > 1).map(item => item.json)": (2, 3),
    }.items():
        assert given(after(node("code", "code", code=code), mark())) == froms(*wanted), code
    each = "return $input.item.json.i === 2 ? null : { seen: $('start').item.json.i }"
    only = after(node("code", "code", code=each, mode="each"), mark())
    assert (given(only), given(only, "code")) == (froms(1, 3), [{"seen": 1}, {"seen": 3}])
    single = after(node("code", "code", code="return [{ a: 1 }, { a: 2 }]"), mark(), items=[{"i": 7}])
    assert given(single) == froms(7, 7)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("code", "code", code="return [{ a: 1 }]"), mark()], ["'Code' does not tell", "pairedItem"]),
        ([node("code", "code", code="return [{ json: { a: 1 }, pairedItem: 9 }]"), mark()], ["'Code' does not tell"]),
        (
            [node("code", "code", code="return [{ json: {}, pairedItem: [0, 1] }]"), mark()],
            ["several items of node 'Start'", "'Code' combined"],
        ),
        (
            [node("code", "code", code="return [{ a: $('start').item.json.i }]")],
            ["runs once for all 3 items", "itemMatching(i)"],
        ),
        ([node("code", "code", code="return [{ a: $input.item.json.i }]")], ["$input.item", "itemMatching(i)"]),
        ([node("code", "code", code="return [$('start').itemMatching(3)]")], ["itemMatching(3)", "3 input items"]),
    ],
)
def test_an_origin_that_cannot_be_told_is_an_error_and_never_another_item(
    nodes: list[dict[str, Any]], words: list[str]
) -> None:
    execution = after(*nodes)
    message = (execution.error or {}).get("message", "no error")
    assert [word for word in words if word not in message] == [], message


def test_every_word_for_the_paired_item_follows_lineage() -> None:
    few = node("few", "filter", condition="{{ $json.i > 1 }}")
    fields = {
        "item": "{{ $('start').item.json.i }}",
        "json": '{{ $node["Start"].json.i }}',
        "node_item": '{{ $node["start"].item.json.i }}',
        "matching": "{{ $('start').itemMatching($itemIndex).json.i }}",
        "own": "{{ $input.item.json.i }}",
        "first": "{{ $('start').first().json.i }}",
        "all": "{{ $('start').all().length }}",
    }
    rows = [{"item": i, "json": i, "node_item": i, "matching": i, "own": i, "first": 1, "all": 3} for i in (2, 3)]
    assert given(after(few, mark(**fields))) == rows
    code = "return $input.all().map((item, i) => ({ from: $('Start').itemMatching(i).json.i }))"
    assert given(after(few, node("mark", "code", code=code))) == froms(2, 3)
    large = [{"i": 1}, {"i": 2**53 + 1}]
    assert given(after(few, mark(), items=large)) == froms(2**53 + 1)  # passed on exactly
    one = node("one", "filter", condition="{{ $json.i === 3 }}")
    assert given(after(one, node("mark", "code", code="return [{ from: $('start').item.json.i }]"))) == froms(3)


def test_items_of_another_branch_are_not_ancestors() -> None:
    nodes = [
        node("side", "set", fields={"i": 9}),
        node("wait", "wait", seconds=0.01),
        mark(x="{{ $('side').item.json }}"),
    ]
    execution = run(nodes, [edge("start", "side"), edge("start", "wait"), edge("wait", "mark")])
    assert "did not come from node 'Side'" in (execution.error or {}).get("message", "no error")


def wake(execution: Execution) -> Execution:
    """Let the wait of the execution be over, and continue it from what is stored."""
    assert execution.status == "waiting", execution.error
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Execution.objects.filter(pk=execution.pk).update(resume_at=an_hour_ago)
    NodeRun.objects.filter(execution=execution, status="waiting").update(wake_at=an_hour_ago)
    return run_here(execution)


def test_origins_are_kept_when_another_worker_continues() -> None:
    pause = node("pause", "wait", seconds=3600)
    order = [{"field": "i", "direction": "descending"}]
    assert given(wake(after(node("sort", "sort", fields=order), pause, mark()))) == froms(3, 2, 1)
    inside = [edge("each", "pause", "loop"), edge("pause", "mark"), edge("mark", "each")]
    execution = run(
        [node("each", "loop", batch_size=2), pause, mark(), mark("end")],
        [edge("start", "each"), *inside, edge("each", "end", "done")],
    )
    for _ in range(2):
        execution = wake(execution)
    assert given(execution) == given(execution, "end") == froms(1, 2, 3)


def test_a_rerun_knows_the_origin_of_what_it_reuses() -> None:
    few = after(node("few", "filter", condition="{{ $json.i > 1 }}"), mark())
    again = reruns.rerun(few, reruns.RerunRequest(start="mark"), None)
    assert given(run_here(again)) == froms(2, 3)
    edited = reruns.rerun(few, reruns.RerunRequest(start="mark", input=[{"i": 7}]), None)
    message = (run_here(edited).error or {}).get("message", "no error")
    assert "did not come from node 'Start'" in message


def test_results_from_the_cache_and_from_sub_workflows_keep_their_origins() -> None:
    reverse = node("sort", "sort", fields=[{"field": "i", "direction": "descending"}])
    for _ in range(2):
        cached = after(reverse | {"cache": {}}, mark())
        assert given(cached) == froms(3, 2, 1)
    assert NodeRun.objects.get(execution=cached, node_id="sort").from_cache
    few = node("few", "filter", condition="{{ $json.i > 1 }}")
    ends = [node("odd", "if", condition="{{ $json.i % 2 === 1 }}"), node("even", "no_op"), node("rest", "no_op")]
    edges = [edge("begin", "few"), edge("few", "sort"), edge("sort", "odd")]
    edges += [edge("odd", "even", "false"), edge("odd", "rest", "true")]
    child = make_workflow([node("begin", "manual_trigger"), few, reverse, *ends], edges, cache={})
    for _ in range(2):
        parent = after(node("call", "execute_workflow", workflow=str(child.pk)), mark())
        (called,) = Execution.objects.filter(parent=parent)
        run_here(called)
        resolved = Wait.objects.filter(child=called, resolved_at__isnull=False)
        wait_until(resolved.exists, "the end of the child, told to its parent")
        assert given(run_here(parent)) == froms(2, 3)
    assert NodeRun.objects.get(execution=called).from_cache
    whole = [node("all", "code", code="return [{ json: { a: 1 }, pairedItem: [0, 1, 2] }]"), mark()]
    assert "several items" in ((after(*whole).error or {}).get("message", "no error"))


def test_origins_pass_through_sandbox_processes_and_routed_errors() -> None:
    many: list[dict[str, Any]] = [{"i": i, "text": "x" * 400} for i in range(1000)]
    order = [{"field": "i", "direction": "descending"}]
    few = node("few", "filter", condition="{{ $json.i % 2 === 1 }}")
    code = node("code", "code", code="return $input.all().filter(item => item.json.i % 3 === 0)")
    sorted_ = after(few, node("sort", "sort", fields=order), code, mark(), items=many)
    assert given(sorted_) == froms(*[i for i in range(999, 0, -1) if i % 2 and i % 3 == 0])
    lines = "return { from: $('start').item.json.i }"
    assert given(after(few, node("mark", "code", code=lines, mode="each"), items=many)) == froms(*range(1, 1000, 2))
    stop = node("stop", "code", code="throw new Error('no')") | {"on_error": "route"}
    assert given(after(stop, mark(), output="error")) == froms(1, 2, 3)


def links(execution: Execution, node_id: str, kind: str, run_index: int = 0, **query: Any) -> dict[str, Any]:
    """Return the links of the items of a node run by output, as the API shows them, in short."""
    user, _ = User.objects.get_or_create(username="lineage")
    Membership.objects.get_or_create(user=user, workspace_id=execution.workspace_id, role=Role.VIEWER)
    client = Client()
    client.force_login(user)
    path = f"/api/executions/{execution.pk}/nodes/{node_id}/output/"
    answer = client.get(path, {"lineage": "true", "run_index": run_index, **query})
    assert answer.status_code == 200, answer.json()
    return {
        output: [
            each and [(link["node"], link["run_index"], link["output"], link["item"]) for link in each]
            for each in lists
        ]
        for output, lists in answer.json()[kind].items()
    }


def test_the_api_shows_where_each_item_came_from_and_where_it_went() -> None:
    order = [{"field": "i", "direction": "descending"}]
    code = "return [{ json: {}, pairedItem: [0, 2] }, { json: {} }]"
    execution = after(node("sort", "sort", fields=order), node("code", "code", code=code), node("end", "no_op"))
    assert links(execution, "start", "lineage") == {"main": [[], [], []]}
    assert links(execution, "start", "destinations") == {"main": [[("sort", 0, "main", n)] for n in (2, 1, 0)]}
    assert links(execution, "sort", "lineage") == {"main": [[("start", 0, "main", n)] for n in (2, 1, 0)]}
    page = {"offset": 1, "limit": 1}
    assert links(execution, "sort", "lineage", **page) == {"main": [[("start", 0, "main", 1)]]}
    assert links(execution, "sort", "destinations", **page) == {"main": [[]]}
    both = [("sort", 0, "main", 0), ("sort", 0, "main", 2)]
    assert links(execution, "code", "lineage") == {"main": [both, None]}
    assert links(execution, "end", "destinations") == {"main": [[], []]}
    unknown = after(node("code", "code", code="return [{}]"), node("end", "no_op"))
    assert links(unknown, "start", "destinations") == {"main": [[("code", 0, None, None)]] * 3}
    looped = run(
        [node("each", "loop", batch_size=2), mark(), mark("end")],
        [edge("start", "each"), edge("each", "mark", "loop"), edge("mark", "each"), edge("each", "end", "done")],
    )
    to_loop = [("each", 0, "loop", 0)], [("each", 0, "loop", 1)], [("each", 1, "loop", 0)]
    assert links(looped, "start", "destinations") == {"main": [*map(list, to_loop)]}
    assert links(looped, "each", "lineage", 1) == {"loop": [[("start", 0, "main", 2)]]}
    marked = [[("mark", 0, "main", 0)], [("mark", 0, "main", 1)], [("mark", 1, "main", 0)]]
    assert links(looped, "each", "lineage", 2) == {"done": marked}
    assert links(looped, "mark", "destinations", 1) == {"main": [[("each", 2, "done", 2)]]}

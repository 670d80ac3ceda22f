"""Reruns on the running platform: what is taken over is not done again, and says where it comes from."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.answering import Answering, answering
from tests.conftest import Platform, manage
from tests.folding import ENDED, read_history
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


@pytest.fixture
def server() -> Iterator[Answering]:
    """Answers everything at once, and counts what it was asked."""
    with answering() as found:
        for path in ("first", "second", "turn"):
            found.open(path)
        yield found


def asked(server: Answering) -> Counter[str]:
    return Counter(request["path"] for request in server.asked)


def save(platform: Platform, nodes: list[dict[str, Any]], edges: list[dict[str, Any]], name: str = "Rerun") -> str:
    answer = platform.request("POST", "/api/workflows/", json={"name": name, "nodes": nodes, "edges": edges})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def run(platform: Platform, workflow: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"input": items, "wait": 30}
    return dict(platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json())


def ended(platform: Platform, execution_id: str) -> dict[str, Any]:
    path = f"/api/executions/{execution_id}/"
    wait_until(lambda: platform.request("GET", path).json()["status"] in ENDED, "The end of the execution")
    return dict(platform.request("GET", path).json())


def rerun(platform: Platform, execution: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Rerun, and return the new execution as it has ended."""
    if "from_" in body:
        body["from"] = body.pop("from_")
    answer = platform.request("POST", f"/api/executions/{execution['id']}/rerun/", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["rerun_of"] == execution["id"]
    return ended(platform, answer.json()["id"])


def nodes_of(platform: Platform, execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the last run of each node."""
    return {row["node"]: row for row in platform.request("GET", f"/api/executions/{execution['id']}/nodes/").json()}


def output(platform: Platform, execution: dict[str, Any], node_id: str, run_index: int = 0) -> dict[str, Any]:
    path = f"/api/executions/{execution['id']}/nodes/{node_id}/output/?run_index={run_index}"
    answer = platform.request("GET", path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def call(server: Answering, id: str, **more: Any) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=f"{server.url}{id}") | more


def chain(server: Answering, condition: str = "true") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two calls, with a node between them that fails if the first item says so, and one at the end."""
    check = f"if (!({condition})) throw new Error('not good'); return $input.all()"
    nodes = [
        node("begin", "manual_trigger"),
        call(server, "first"),
        node("check", "code", code=check),
        call(server, "second"),
        node("last", "set", fields={"done": True}),
    ]
    names = [n["id"] for n in nodes]
    return nodes, [edge(a, b) for a, b in itertools.pairwise(names)]


def test_a_rerun_of_the_whole_takes_nothing_over(platform: Platform, server: Answering) -> None:
    first = run(platform, save(platform, *chain(server)), [{"n": 1}])
    again = rerun(platform, first)
    assert (again["status"], again["trigger"], again["rerun_from"]) == ("completed", "rerun", "")
    assert asked(server) == {"/first": 2, "/second": 2}
    assert output(platform, again, "begin")["outputs"] == {"main": [{"n": 1}]}
    edited = rerun(platform, first, input=[{"n": 7}])
    assert output(platform, edited, "begin")["outputs"] == {"main": [{"n": 7}]}
    assert {row["taken_from"] for row in nodes_of(platform, edited).values()} == {None}


def test_a_rerun_from_a_node_does_not_call_again_what_lies_before_it(platform: Platform, server: Answering) -> None:
    first = run(platform, save(platform, *chain(server)), [{"n": 1}])
    again = rerun(platform, first, from_="second", priority="high")
    assert (again["status"], again["rerun_from"], again["priority"]) == ("completed", "second", "high")
    assert asked(server) == {"/first": 1, "/second": 2}
    rows = nodes_of(platform, again)
    assert {name for name, row in rows.items() if row["taken_from"]} == {"begin", "first", "check"}
    assert output(platform, again, "first")["outputs"] == output(platform, first, "first")["outputs"]
    assert output(platform, again, "check")["inputs"] == output(platform, first, "check")["inputs"]
    assert output(platform, again, "begin")["inputs"] == {"main": [{"n": 1}]}
    history = read_history(platform, again["id"])
    told = {e["data"]["node"]: e["data"]["taken_from"] for e in history if e["type"] == "execution.node_completed"}
    assert told == {name: row["taken_from"] for name, row in rows.items()}
    flows = [(e["data"]["edge"]["source"], bool(e["data"]["taken_from"])) for e in history if "edge" in e["data"]]
    assert flows == [("begin", True), ("first", True), ("check", True), ("second", False)]
    assert history[0]["data"]["rerun_of"] == first["id"]
    assert history[0]["data"]["rerun_from"] == "second"
    assert history[-1]["data"]["summary"]["nodes_executed"] == 2


def test_a_rerun_of_a_rerun_is_a_link_further_and_shows_the_same_outputs(platform: Platform, server: Answering) -> None:
    first = run(platform, save(platform, *chain(server)), [{"n": 1}])
    second = rerun(platform, first, from_="second")
    third = rerun(platform, second, from_="last")
    assert third["rerun_of"] == second["id"]
    assert asked(server) == {"/first": 1, "/second": 2}
    assert output(platform, third, "first")["outputs"] == output(platform, first, "first")["outputs"]
    assert output(platform, third, "second")["outputs"] == output(platform, second, "second")["outputs"]
    found = platform.request("GET", f"/api/executions/?rerun_of={second['id']}").json()["results"]
    assert [row["id"] for row in found] == [third["id"]]


def test_the_latest_version_mends_what_failed(platform: Platform, server: Answering) -> None:
    workflow = save(platform, *chain(server, "false"))
    first = run(platform, workflow, [{"n": 1}])
    assert (first["status"], first["error"]["node"]) == ("failed", "check")
    same = rerun(platform, first, from_="failed")
    assert (same["status"], same["rerun_from"]) == ("failed", "check")
    nodes, edges = chain(server, "true")
    platform.request("PATCH", f"/api/workflows/{workflow}/", json={"nodes": nodes, "edges": edges})
    mended = rerun(platform, same, from_="failed", version="latest")
    assert (mended["status"], mended["workflow_version"]) == ("completed", 2)
    assert asked(server) == {"/first": 1, "/second": 1}


def test_with_the_latest_version_what_has_changed_runs_again_with_all_behind_it(
    platform: Platform, server: Answering
) -> None:
    nodes, edges = chain(server)
    workflow = save(platform, nodes, edges)
    first = run(platform, workflow, [{"n": 1}])
    nodes[1]["parameters"]["headers"] = {"X-Changed": "yes"}
    platform.request("PATCH", f"/api/workflows/{workflow}/", json={"nodes": nodes, "edges": edges})
    again = rerun(platform, first, from_="last", version="latest")
    assert again["status"] == "completed"
    assert asked(server) == {"/first": 2, "/second": 2}
    assert {name for name, row in nodes_of(platform, again).items() if row["taken_from"]} == {"begin"}


def test_edited_input_of_a_node_stands_in_for_what_was_kept(platform: Platform, server: Answering) -> None:
    first = run(platform, save(platform, *chain(server)), [{"n": 1}])
    again = rerun(platform, first, from_="check", input=[{"n": 5}, {"n": 6}])
    assert again["status"] == "completed"
    assert asked(server) == {"/first": 1, "/second": 3}
    assert output(platform, again, "check")["inputs"] == {"main": [{"n": 5}, {"n": 6}]}
    assert output(platform, again, "begin")["inputs"] == {"main": [{"n": 1}]}
    later = rerun(platform, again, from_="last")
    assert asked(server) == {"/first": 1, "/second": 3}
    assert output(platform, later, "check")["inputs"] == {"main": [{"n": 5}, {"n": 6}]}
    assert output(platform, later, "last") == output(platform, again, "last")
    before = rerun(platform, again, from_="first")
    assert output(platform, before, "check")["inputs"]["main"][0]["status"] == 200


def test_edited_input_passes_by_a_node_that_failed(platform: Platform, server: Answering) -> None:
    first = run(platform, save(platform, *chain(server, "false")), [{"n": 1}])
    again = rerun(platform, first, from_="second", input=[{"n": 5}])
    assert again["status"] == "completed"
    rows = nodes_of(platform, again)
    assert rows["check"]["status"] == "skipped"
    assert asked(server) == {"/first": 1, "/second": 1}


def looping(server: Answering) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    nodes = [
        node("begin", "manual_trigger"),
        call(server, "first"),
        node("three", "code", code="return [{ n: 1 }, { n: 2 }, { n: 3 }]"),
        node("each", "loop", batch_size=1),
        call(server, "turn"),
        call(server, "second"),
    ]
    edges = [
        edge("begin", "first"),
        edge("first", "three"),
        edge("three", "each"),
        edge("each", "turn", "loop"),
        edge("turn", "each"),
        edge("each", "second", "done"),
    ]
    return nodes, edges


def test_a_loop_is_run_again_as_a_whole_or_taken_over_as_a_whole(platform: Platform, server: Answering) -> None:
    first = run(platform, save(platform, *looping(server)), [{}])
    assert asked(server) == {"/first": 1, "/turn": 3, "/second": 3}
    behind = rerun(platform, first, from_="second")
    assert asked(server) == {"/first": 1, "/turn": 3, "/second": 6}
    assert output(platform, behind, "turn", 2) == output(platform, first, "turn", 2) | {
        "taken_from": output(platform, behind, "turn", 2)["taken_from"]
    }
    inside = rerun(platform, first, from_="turn")
    assert asked(server) == {"/first": 1, "/turn": 6, "/second": 9}
    assert {name for name, row in nodes_of(platform, inside).items() if row["taken_from"]} == {
        "begin",
        "first",
        "three",
    }
    edited = rerun(platform, first, from_="each", input=[{"n": 9}])
    assert asked(server) == {"/first": 1, "/turn": 7, "/second": 10}
    assert edited["status"] == "completed"
    path = f"/api/executions/{first['id']}/rerun/"
    refused = platform.request("POST", path, json={"from": "turn", "input": [{}]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "input")


def test_a_failure_that_was_gone_on_from_is_taken_over_as_one(platform: Platform, server: Answering) -> None:
    nodes, edges = chain(server, "false")
    nodes[2]["on_error"] = "continue"
    first = run(platform, save(platform, nodes, edges), [{"n": 1}])
    assert first["status"] == "completed"
    again = rerun(platform, first, from_="last")
    row = nodes_of(platform, again)["check"]
    assert (row["status"], row["error"]["type"]) == ("failed", "NodeError")
    assert rerun(platform, first, from_="failed")["rerun_from"] == "check"


def test_what_cannot_be_rerun_is_refused_with_the_reason(platform: Platform, server: Answering) -> None:
    nodes, edges = chain(server)
    nodes.append(node("pause", "wait", seconds=600))
    edges.append(edge("last", "pause"))
    workflow = save(platform, nodes, edges)
    waiting = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"input": [{}]}).json()
    path = f"/api/executions/{waiting['id']}/"
    early = platform.request("POST", f"{path}rerun/", json={})
    assert early.status_code == 409
    assert "Only an ended execution can be rerun." in early.json()["detail"]
    wait_until(lambda: platform.request("GET", path).json()["status"] == "waiting", "The wait")
    platform.request("POST", f"{path}cancel/", json={})
    assert ended(platform, waiting["id"])["status"] == "cancelled"
    for body, field in (
        ({"from": "nowhere"}, "from"),
        ({"version": "oldest"}, "version"),
        ({"input": "text"}, "input"),
        ({"priority": "urgent"}, "priority"),
    ):
        refused = platform.request("POST", f"{path}rerun/", json=body)
        assert refused.status_code == 400, body
        assert refused.json()["errors"][0]["field"].startswith(field)
    done = run(platform, save(platform, *chain(server)), [{}])
    refused = platform.request("POST", f"/api/executions/{done['id']}/rerun/", json={"from": "failed"})
    assert refused.status_code == 400
    cut_off = platform.request("POST", f"{path}rerun/", json={"from": "failed"}).json()
    assert cut_off["rerun_from"] == "pause"
    platform.request("POST", f"/api/executions/{cut_off['id']}/cancel/", json={})
    ended(platform, cut_off["id"])


def test_many_are_counted_first_and_rerun_then(platform: Platform, server: Answering) -> None:
    workflow = save(platform, *chain(server, "$json.body.asked > 2"), name="Fails twice")
    failed = [run(platform, workflow, [{}]) for _ in range(3)][:2]
    assert [row["status"] for row in failed] == ["failed", "failed"]
    body: dict[str, Any] = {"workflow": workflow, "status": ["failed"], "from": "start", "skip_rerun": True}
    path = "/api/executions/rerun/"
    counted = platform.request("POST", path, json=body)
    assert counted.status_code == 200
    said = counted.json()
    assert [(each["node"], each["effect"], each["executions"]) for each in said.pop("nodes")] == [
        ("first", "writes", 2)
    ]
    assert said == {
        "dry_run": True,
        "matched": 2,
        "chosen": 2,
        "first": [row["id"] for row in failed],
        "started": [],
        "failed": [],
    }
    assert len(platform.request("GET", f"/api/executions/?workflow={workflow}").json()["results"]) == 3
    one = platform.request("POST", path, json=body | {"dry_run": False, "limit": 1})
    assert one.status_code == 202
    assert (one.json()["matched"], [row["rerun_of"] for row in one.json()["started"]]) == (2, [failed[0]["id"]])
    assert ended(platform, one.json()["started"][0]["id"])["status"] == "completed"
    said = manage(
        platform.environment, "rerun", "--workflow", workflow, "--status", "failed", "--since", "1h", "--skip-rerun",
        "--dry-run",
    )  # fmt: skip
    assert said.splitlines()[:2] == ["1 executions would be rerun.", f"  {failed[1]['id']}"]
    said = manage(
        platform.environment, "rerun", "--workflow", "Fails twice", "--status", "failed", "--since", "1h",
        "--skip-rerun", "--from", "failed", "--latest",
    )  # fmt: skip
    assert said.splitlines()[-1] == "Reran 1 of 1 executions; 0 failed to start."
    made = said.split("-> ")[1].split()[0]
    assert ended(platform, made)["rerun_of"] == failed[1]["id"]
    mixed = platform.request("POST", path, json={"ids": [made], "from": "failed", "dry_run": False}).json()
    assert len(mixed["started"]) + len(mixed["failed"]) == 1


def test_one_that_cannot_be_rerun_does_not_stop_the_others(platform: Platform, server: Answering) -> None:
    good = run(platform, save(platform, *chain(server, "false")), [{}])
    done = run(platform, save(platform, *chain(server)), [{}])
    body = {"ids": [good["id"], done["id"]], "from": "failed", "dry_run": False}
    report = platform.request("POST", "/api/executions/rerun/", json=body).json()
    assert [row["rerun_of"] for row in report["started"]] == [good["id"]]
    assert [row["id"] for row in report["failed"]] == [done["id"]]
    ended(platform, report["started"][0]["id"])


def test_a_bulk_rerun_says_which_executions_it_is_about(platform: Platform) -> None:
    assert platform.request("POST", "/api/executions/rerun/", json={}).status_code == 400
    one_node = {"status": ["failed"], "from": "check"}
    assert platform.request("POST", "/api/executions/rerun/", json=one_node).status_code == 400


def test_a_rerun_lists_the_nodes_that_would_act_again_and_skips_or_reuses_them(
    platform: Platform, server: Answering
) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("read", "set", fields={"n": "{{ $json.n + 1 }}"}),
        node("first", "http_request", method="POST", url=f"{server.url}first", body="{{ $json }}"),
        node("second", "http_request", method="POST", url=f"{server.url}second", body="{{ $json.body }}"),
        node("end", "set", fields={"ended": True}),
    ]
    edges = [edge("start", "read"), edge("read", "first"), edge("first", "second"), edge("second", "end")]
    execution = run(platform, save(platform, nodes, edges), [{"n": 1}])
    path = f"/api/executions/{execution['id']}/rerun/"
    listed = platform.request("POST", path, json={"dry_run": True, "effects": {"second": "skip"}})
    assert listed.status_code == 200, listed.text
    names = ("node", "effect", "items", "reusable", "choice")
    assert [tuple(each[name] for name in names) for each in listed.json()["nodes"]] == [
        ("first", "writes", 1, True, "run"),
        ("second", "writes", 1, True, "skip"),
    ]
    from_second = platform.request("POST", path, json={"dry_run": True, "from": "second"}).json()["nodes"]
    assert [each["node"] for each in from_second] == ["second"]
    refused = platform.request("POST", path, json={"from": "second", "effects": {"first": "skip"}})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "effects.first")

    again = rerun(platform, execution, effects={"first": "reuse", "second": "skip"})
    assert asked(server) == {"/first": 1, "/second": 1}
    shown = nodes_of(platform, again)
    assert {name: each["status"] for name, each in shown.items()} == {
        "start": "completed", "read": "completed", "first": "completed", "second": "skipped", "end": "completed",
    }  # fmt: skip
    original = nodes_of(platform, execution)
    assert (shown["first"]["taken_from"] is not None, shown["read"]["taken_from"]) == (True, None)
    output = platform.request("GET", f"/api/executions/{again['id']}/nodes/end/output/").json()["outputs"]["main"]
    assert [item["body"] for item in output] == [{"asked": 1}]
    assert all(item["ended"] for item in output)
    assert original["first"]["output_items"] == shown["first"]["output_items"]
    report = manage(platform.environment, "rerun", "--id", execution["id"], "--dry-run", "--effect", "first=reuse")
    assert "first: First, writes, in 1 executions (reuse)" in report

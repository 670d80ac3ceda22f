"""The words of expressions, in executions of the platform."""

from __future__ import annotations

from typing import Any

from tests.conftest import Platform
from tests.executing import execute, output, save, until
from tests.people import Person
from tests.workflows import edge, node


def test_dates_without_an_offset_are_in_the_time_zone_of_the_workflow(platform: Platform) -> None:
    fields = {
        "zone": "{{ $now.zoneName }}",
        "hour": "{{ $today.hour }}",
        "far": "{{ $now.setZone($json.far).zoneName }}",
    }
    code = "return $input.all().map(i => ({...i.json, also: DateTime.now().setZone(i.json.far).zoneName}))"
    nodes = [
        node("start", "manual_trigger"),
        node("set", "set", fields=fields | {"json": "{{ JSON.stringify({a: {b: '}}'}}) }}"}),
        node("code", "code", code=code),
        node("wait", "wait", until="2020-01-01T00:00:00"),
        node("date", "date_time", operation="parse", value="2024-07-01T12:00"),
        node("every_day", "schedule_trigger", cron="0 9 * * *"),
    ]
    edges = [edge("start", "set"), edge("set", "code"), edge("code", "wait"), edge("wait", "date")]
    workflow = save(platform, nodes, edges, settings={"timezone": "Asia/Tokyo"})
    execution = execute(platform, workflow, {"far": "America/Lima"})
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "date") == {
        "main": [
            {"far": "America/Lima", "zone": "Asia/Tokyo", "hour": 0, "json": '{"a":{"b":"}}"}}', "also": "America/Lima"}
            | {"date": "2024-07-01T12:00:00+09:00"}
        ]
    }
    (schedule,) = platform.request("GET", f"/api/workflows/{workflow}/schedules/").json()
    assert schedule["timezone"] == "Asia/Tokyo"


def test_a_time_zone_that_does_not_exist_is_refused(platform: Platform) -> None:
    body = {
        "name": "W",
        "nodes": [node("start", "manual_trigger")],
        "edges": [],
        "settings": {"timezone": "Asia/Tokio"},
    }
    answer = platform.request("POST", "/api/workflows/", json=body)
    assert answer.status_code == 400
    assert "Did you mean Asia/Tokyo?" in answer.text


def test_expressions_ask_about_nodes(platform: Platform) -> None:
    asked = {
        "other": "{{ $('other').isExecuted ? 1 : 0 }}",
        "quoted": "{{ $('It\\'s here').first().json.i }}",
        "params": "{{ $('other').params.keep_other_fields }}",
        "from": "{{ $prevNode.name }} {{ $prevNode.outputIndex }}",
        "run": "{{ $runIndex }}",
        "active": "{{ $workflow.active }}",
    }
    code = "return [{other: $('other').isExecuted, here: $(\"It's here\").isExecuted, from: $prevNode.name}]"
    nodes = [
        node("start", "manual_trigger"),
        node("here", "set", fields={"i": 7}) | {"name": "It's here"},
        node("which", "if", condition="{{ $json.i > 9 }}"),
        node("other", "set", fields={}),
        node("asks", "set", fields=asked, keep_other_fields=False),
        node("code", "code", code=code),
    ]
    edges = [edge("start", "here"), edge("here", "which"), edge("which", "other", "true")]
    edges += [edge("which", "asks", "false"), edge("which", "code", "false")]
    execution = execute(platform, save(platform, nodes, edges))
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "asks")["main"] == [
        {"other": 0, "quoted": 7, "params": None, "from": "Which 1", "run": 0, "active": False}
    ]
    assert output(platform, execution, "code")["main"] == [{"other": False, "here": True, "from": "Which"}]


def test_two_nodes_of_one_name_cannot_be_saved(platform: Platform) -> None:
    names = {"a": "Set", "b": "Set", "c": "a"}
    nodes = [node(id_, "set", fields={}) | {"name": name} for id_, name in names.items()]
    body = {"name": "W", "nodes": [node("start", "manual_trigger"), *nodes], "edges": []}
    answer = platform.request("POST", "/api/workflows/", json=body)
    assert answer.status_code == 400
    assert "The name 'Set' belongs to the node 'a'" in answer.text
    assert "The name 'a' belongs to the node 'a'" in answer.text


def test_code_keeps_static_data_from_one_execution_to_the_next(platform: Platform) -> None:
    code = """
        const all = $getWorkflowStaticData('global'), own = $getWorkflowStaticData('node');
        all.count = (all.count ?? 0) + 1;
        own.seen = [...(own.seen ?? []), $json.n];
        delete all.old;
        if ($json.n === 2) throw new Error('no');
        if ($json.large) all.text = 'x'.repeat(300000);
        return [{count: all.count, seen: own.seen}];
    """
    nodes = [node("start", "manual_trigger"), node("code", "code", code=code)]
    workflow = save(platform, nodes, [edge("start", "code")])

    def outcome(item: dict[str, Any], mode: str = "live") -> Any:
        body = {"input": [item], "mode": mode}
        execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json()["id"]
        ended = until(platform, execution)
        completed = ended["status"] == "completed"
        return output(platform, execution, "code")["main"] if completed else ended["error"]["message"]

    assert outcome({"n": 1}) == [{"count": 1, "seen": [1]}]
    assert outcome({"n": 2}) == "Error: no (line 6)"  # a node run that fails keeps nothing
    assert outcome({"n": 3}) == [{"count": 2, "seen": [1, 3]}]
    assert "The static data (global) has 30" in outcome({"n": 4, "large": True})
    assert outcome({"n": 5}, mode="test") == [{"count": 3, "seen": [1, 3, 5]}]  # a test reads, and keeps nothing
    assert outcome({"n": 6}) == [{"count": 3, "seen": [1, 3, 6]}]
    path = f"/api/workflows/{workflow}/static-data/"
    shown = platform.request("GET", path).json()
    assert (shown["global"], shown["nodes"]) == ({"count": 3}, {"code": {"seen": [1, 3, 6]}})
    replaced = platform.request("PUT", path, json={"global": {"count": 2**60, "z": 1, "a": 2}})
    assert list(replaced.json()["global"].items()) == [("count", 2**60), ("z", 1), ("a", 2)]
    assert replaced.json()["nodes"] == shown["nodes"]
    assert outcome({"n": 7})[0]["seen"] == [1, 3, 6, 7]
    assert platform.request("DELETE", path).status_code == 204
    assert outcome({"n": 8}) == [{"count": 1, "seen": [8]}]
    events = platform.request("GET", f"/api/events/?stream=workflow:{workflow}&limit=100").json()["events"]
    changes = [each["data"] for each in events if each["type"] == "workflow.static_data_changed"]
    assert [(each["change"], each["nodes"], each["whole_workflow"]) for each in changes] in (
        [("replaced", [], True), ("reset", ["code"], True)],
        [("reset", ["code"], True), ("replaced", [], True)],
    )


def test_static_data_is_limited_and_for_editors_only(platform: Platform) -> None:
    workflow = save(platform, [node("start", "manual_trigger")], [])
    path = f"/api/workflows/{workflow}/static-data/"
    refusals = [
        ({"global": [1]}, "global: Expected an object, not an array."),
        ({"nodes": {"gone": {}}}, "nodes.gone: The workflow has no node with the id 'gone'."),
        ({"global": {"text": "x" * 300_000}}, "global: Has 300011 bytes; at most 262144 are allowed"),
        ({"globl": {}}, "globl: Unknown field."),
    ]
    for body, said in refusals:
        refused = platform.request("PUT", path, json=body)
        assert refused.status_code == 400
        assert said in refused.json()["detail"]
    viewer, stranger = Person(platform, "viewer"), Person(platform, None)
    for person, status in ((viewer, 403), (stranger, 404)):
        for method in ("GET", "DELETE"):
            assert person.request(method, path).status_code == status

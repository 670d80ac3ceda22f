"""Node types as their users meet them: served by the API, checked when saved, run by workers."""

from __future__ import annotations

from typing import Any

import requests

from executions.nodes.registry import node_types
from tests.conftest import Platform
from tests.workflows import edge, node

ORDERS = "id,town,amount\n3,Wien,5\n1,Graz,2.5\n2,Graz,4\n1,Graz,2.5\n"
STOCK = "<stock><order><id>1</id></order><order><id>2</id></order></stock>"

CHAIN: dict[str, Any] = {
    "name": "Orders and stock",
    "nodes": [
        node("start", "manual_trigger"),
        node("orders", "csv", field="orders", infer_types=True),
        node("unique", "remove_duplicates"),
        node("sorted", "sort", fields=[{"field": "id"}]),
        node("stock", "xml", field="stock", lists=["order"]),
        node("lines", "set", fields={"order": "{{ $json.data.stock.order }}"}, keep_other_fields=False),
        node("split", "split_out", field="order"),
        node("typed", "set", fields={"id": "{{ +$json.id }}"}),
        node("compared", "compare", key=[{"field": "id"}], ignore=["town", "amount"]),
        node("towns", "summarize", group_by=["town"], summaries=[{"operation": "sum", "field": "amount"}]),
    ],
    "edges": [
        edge("start", "orders"),
        edge("orders", "unique"),
        edge("unique", "sorted"),
        edge("sorted", "compared", "main", "input1"),
        edge("start", "stock"),
        edge("stock", "lines"),
        edge("lines", "split"),
        edge("split", "typed"),
        edge("typed", "compared", "main", "input2"),
        edge("compared", "towns", "same"),
    ],
}


def test_the_api_serves_every_node_type(platform: Platform) -> None:
    served = platform.request("GET", "/api/node-types/").json()
    assert {one["type"]: one for one in served} == {name: one.describe() for name, one in node_types().items()}


def test_a_workflow_of_data_nodes_gives_its_items(platform: Platform) -> None:
    created = platform.request("POST", "/api/workflows/", json=CHAIN)
    assert created.status_code == 201, created.text
    body = {"input": [{"orders": ORDERS, "stock": STOCK}], "wait": 30}
    execution = platform.request("POST", f"/api/workflows/{created.json()['id']}/execute/", json=body).json()
    assert execution["status"] == "completed", execution

    def output(of: str) -> Any:
        return platform.request("GET", f"/api/executions/{execution['id']}/nodes/{of}/output/").json()["outputs"]

    assert output("compared")["only_1"] == [{"id": 3, "town": "Wien", "amount": 5}]
    assert output("towns")["main"] == [{"town": "Graz", "sum_amount": 6.5}]


def test_bad_parameters_are_named_when_saved(platform: Platform) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("sorted", "sort", fields=[{"field": "a", "direction": "up"}]),
        node("asked", "postgres", connection="x", query="SELECT '{{ $json.a }}'"),
        node("moment", "date_time", timezone="Nowhere"),
    ]
    edges = [edge("start", "sorted"), edge("sorted", "asked"), edge("asked", "moment")]
    answer = platform.request("POST", "/api/workflows/", json={"name": "Bad", "nodes": nodes, "edges": edges})
    assert answer.status_code == 400
    for path in ("parameters.fields[0].direction", "parameters.query", "parameters.timezone"):
        assert path in answer.text


def test_an_input_that_received_nothing_is_an_empty_side_of_a_join(platform: Platform) -> None:
    sides = [node("all", "no_op"), node("none", "filter", condition="{{ $json.id > 9 }}")]
    merges = [node(join, "merge", mode="by_key", key="id", join=join) for join in ("inner", "left", "anti", "outer")]
    edges = [edge("start", side["id"]) for side in sides]
    for merge in merges:
        edges += [edge("none", merge["id"], "main", "input2"), edge("all", merge["id"], "main", "input1")]
    definition = {"name": "Joins", "nodes": [node("start", "manual_trigger"), *sides, *merges], "edges": edges}
    created = platform.request("POST", "/api/workflows/", json=definition)
    assert created.status_code == 201, created.text
    body = {"input": [{"id": 1}, {"id": 1}], "wait": 30}
    execution = platform.request("POST", f"/api/workflows/{created.json()['id']}/execute/", json=body).json()
    assert execution["status"] == "completed", execution
    counts = {"inner": 0, "left": 2, "anti": 2, "outer": 2}
    for join, count in counts.items():
        answer = platform.request("GET", f"/api/executions/{execution['id']}/nodes/{join}/output/").json()
        assert len(answer["outputs"].get("main", [])) == count, join


def test_a_document_with_odd_keys_goes_through_every_kind_of_node(platform: Platform) -> None:
    names = [
        "/v1/{Sid}.json",
        "$ref",
        "a.b",
        "{{ 1 + 1 }}",
        "",
        "__proto__",
        "constructor",
        "10",
        "2",
        'q"\\',
        "😀",
        "é\u2028",
    ]
    document = {"paths": {name: {"get": {name: f"{{{{ {name}"}} for name in names}, "{{ x }}": None}
    nodes = [
        node("hook", "webhook_trigger", path="odd-keys", respond="on_completion"),
        node("names", "code", code="return Object.keys($json.body.paths).map(path => ({path}))", mode="all"),
        node("some", "filter", condition="{{ $json.path !== '2' }}"),
        node("all", "aggregate", field="path"),
        node("split", "split_out", field="body.paths"),
        node("copy", "set", fields={"copy.of": "{{ $json.body }}"}, keep_other_fields=False),
    ]
    edges = [
        edge("hook", "names"),
        edge("names", "some"),
        edge("some", "all"),
        edge("hook", "split"),
        edge("hook", "copy"),
    ]
    definition = {"name": "Odd keys", "nodes": nodes, "edges": edges, "active": True}
    created = platform.request("POST", "/api/workflows/", json=definition)
    assert created.status_code == 201, created.text
    answer = requests.post(f"{platform.url}/hooks/odd-keys", json=document, timeout=240).json()
    assert answer["status"] == "completed", answer

    def output(of: str) -> Any:
        url = f"/api/executions/{answer['execution_id']}/nodes/{of}/output/"
        return platform.request("GET", url).json()["outputs"]["main"]

    assert sorted(output("all")[0]["path"]) == sorted(set(names) - {"2"})
    assert sorted(map(str, output("split"))) == sorted(str(inner) for inner in document["paths"].values())
    assert output("copy") == [{"copy": {"of": document}}]

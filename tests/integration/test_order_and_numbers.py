"""The order of fields and the numbers survive everything that an execution goes through (docs/numbers-and-order.md)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from events.log.models import Event
from executions import reruns
from executions.lifecycle import create_execution
from executions.models import Execution, NodeRun, Trigger
from executions.waits import waits
from tests.conftest import Platform
from tests.engine import COMMITS, claim_leases, lose_worker, make_workflow, run_here
from tests.executing import output, save, until
from tests.folding import read_history
from tests.hooking import Hook
from tests.recording import read_stream
from tests.workflows import edge, node

BIG = 7615917337495251231
ITEM = {"name": "A", "id": BIG, "zip": "x", "b": {"z": 1.0, "a": 2**64 - 1, "10": 1e20}}


def text(value: Any) -> str:
    """Return JSON that shows the order of fields."""
    return orjson.dumps(value).decode()


def start(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], item: dict[str, Any] = ITEM) -> Execution:
    return create_execution(workflow=make_workflow(nodes, edges), trigger=Trigger.MANUAL, input=[item])


def previews_of(stream: str) -> list[str]:
    return [text(item) for event in read_stream(stream) if event["type"] == "execution.data_flow"
            for item in event["data"]["preview"]]  # fmt: skip


def outputs_of(execution: Execution) -> dict[str, str]:
    return {run.node_id: text(run.output) for run in NodeRun.objects.filter(execution=execution)}


@COMMITS
def test_order_and_numbers_survive_a_wait_a_lost_worker_a_rerun_and_an_export(tmp_path: Path) -> None:
    nodes = [
        node("start", "manual_trigger"), node("first", "set", fields={"copy": "{{ $json.b }}"}),
        node("call", "wait", webhook=True),
        node("after", "set", fields={"made": "{{ $('first').first().json }}"}),
        node("table", "csv", operation="write"),
    ]  # fmt: skip
    edges = [edge("start", "first"), edge("first", "call"), edge("call", "after"), edge("first", "table")]
    execution = run_here(start(nodes, edges))
    assert execution.status == "waiting"
    (wait,) = execution.waits.all()
    answer = {"body": {"y": BIG, "x": 1}}
    waits.resolve(wait.pk, answer)
    wait.refresh_from_db()
    assert text(wait.outcome) == text(answer)
    Execution.objects.filter(pk=execution.pk).update(admitted_at=timezone.now())
    (claimed,) = claim_leases([execution.pk], "a worker that is lost")
    lose_worker(execution)
    assert text(claimed.execution.input) == text([ITEM])
    execution = run_here(execution, "another")
    assert execution.status == "completed", execution.error
    outputs = outputs_of(execution)
    made = ITEM | {"copy": ITEM["b"]}
    assert outputs["first"] == text({"main": [made]})
    assert outputs["after"] == text({"main": [answer | {"made": made}]})
    assert f"name,id,zip,b,copy\\r\\nA,{BIG},x," in outputs["table"]

    again = reruns.rerun(Execution.objects.get(pk=execution.pk), reruns.RerunRequest("after"), None)
    again = run_here(again)
    assert again.status == "completed", again.error
    assert outputs_of(again) == outputs

    stream = f"execution:{execution.pk}"
    previews = previews_of(stream)
    assert text(made) in previews
    call_command("export_events", stream, output=tmp_path / "export.jsonl")
    Event.objects.filter(stream__name=stream).delete()
    call_command("import_events", tmp_path / "export.jsonl", workspace="tests", name="kept:copy")
    assert previews_of("kept:copy") == previews


@COMMITS
def test_a_number_that_a_node_made_too_large_is_a_double_and_half_a_character_is_replaced() -> None:
    nodes = [node("start", "manual_trigger"), node("add", "code", code="return [{n: 2 ** 70, t: '😀'.slice(0, 1)}]")]
    execution = run_here(start(nodes, [edge("start", "add")]))
    assert execution.status == "completed", execution.error
    assert NodeRun.objects.get(execution=execution, node_id="add").output == {"main": [{"n": 2.0**70, "t": "\ufffd"}]}


def test_the_doors_take_what_json_allows_and_pass_it_on_as_it_is(platform: Platform) -> None:
    code = "return [{paths: Object.keys($json.b), json: JSON.stringify($json.b)}]"
    nodes = [node("start", "manual_trigger"), node("keys", "code", code=code), node("csv", "csv", operation="write")]
    workflow = save(platform, nodes, [edge("start", "keys"), edge("start", "csv")])
    item = b'{"name": "A", "id": 7615917337495251231, "wei": 1e20, "b": {"/z": "\\ud83d", "/a": 1}}'
    body = b'\xef\xbb\xbf{"input": [' + item + b"]}"
    path = f"/api/workflows/{workflow}/execute/"
    answer = platform.request("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    execution = answer.json()["id"]
    assert until(platform, execution)["status"] == "completed"
    assert text(output(platform, execution, "start")["main"]) == text(
        [{"name": "A", "id": BIG, "wei": 1e20, "b": {"/z": "\ufffd", "/a": 1}}]
    )
    assert output(platform, execution, "keys")["main"] == [{"paths": ["/z", "/a"], "json": '{"/z":"\ufffd","/a":1}'}]
    (table,) = output(platform, execution, "csv")["main"]
    assert next(iter(table.values())).startswith("name,id,wei,b\r\n")
    flows = [event["data"] for event in read_history(platform, execution) if event["type"] == "execution.data_flow"]
    assert list(flows[0]["preview"][0]) == ["name", "id", "wei", "b"]
    for refused in (b'{"input": [{"n": 1e400}]}', b'{"input": [{"n": NaN}]}'):
        answer = platform.request("POST", path, data=refused, headers={"Content-Type": "application/json"})
        assert (answer.status_code, "line 1 column" in answer.json()["detail"]) == (400, True), answer.text

    hook = Hook(platform)
    answer = hook.call(
        b'\xef\xbb\xbf{"z": 1e20, "id": 7615917337495251231, "a": 18446744073709551616, "t": "ab\\ud83d"}'
    )
    assert answer.status_code == 202, answer.text
    execution = answer.json()["execution_id"]
    assert until(platform, execution)["status"] == "completed"
    (item,) = output(platform, execution, "end")["main"]
    assert text(item["body"]) == text({"z": 1e20, "id": BIG, "a": 2.0**64, "t": "ab\ufffd"})
    assert list(item) == ["method", "path", "headers", "query", "body"]
    answer = hook.call(b'{"n": 1e400}')
    assert (answer.status_code, "the number is too large" in answer.json()["detail"]) == (400, True)


@pytest.mark.django_db(transaction=True)
def test_an_installation_with_data_is_migrated_and_back() -> None:
    execution = run_here(start([node("start", "manual_trigger"), node("a", "no_op")], [edge("start", "a")]))
    before = import_module("executions.migrations.0014_json_text").Migration.dependencies[0][1]
    events_before = import_module("events.migrations.0014_json_text").Migration.dependencies[0][1]
    try:
        call_command("migrate", "executions", before, verbosity=0)
        call_command("migrate", "events", events_before, verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE executions_execution SET input = %s::jsonb, response = '{\"body\": 1e400}' WHERE id = %s",
                ['[{"wei": 1e20, "t": "a"}]', execution.pk],
            )
    finally:
        call_command("migrate", "events", verbosity=0)
        call_command("migrate", "executions", verbosity=0)
    execution = Execution.objects.get(pk=execution.pk)
    assert execution.input == [{"wei": 1e20, "t": "a"}]
    assert execution.response == {"body": None}
    assert execution.version.nodes[0]["id"] == "start"
    assert NodeRun.objects.get(execution=execution, node_id="a").output["main"][0]["id"] == BIG
    run_here(start([node("start", "manual_trigger")], []))

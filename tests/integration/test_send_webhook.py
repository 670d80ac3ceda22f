"""`send_webhook`: one delivery for each item, whatever happens to the worker; their ends waited for and branched on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from executions import lifecycle
from executions.admission import admission
from executions.credentials import create as create_credential
from executions.domain.errors import NodeError
from executions.domain.graph import InvalidGraph
from executions.domain.statuses import ExecutionStatus
from executions.engine import node_deliveries
from executions.models import Execution, NodeRun, Trigger, Wait, Workflow
from executions.workflows.definitions import save_workflow
from tests.engine import COMMITS, claim_leases, commit, lose_worker, run_here
from tests.workflows import edge, node
from webhooks import outbox
from webhooks.models import Delivery, Endpoint, Origin, Rank
from webhooks.secrets import SealedSecrets
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.installation.embedded import wait_until

pytestmark = COMMITS
URL = "https://8.8.8.8/hook"
SECRET = "whsec_c2VjcmV0LXNlY3JldA=="


def workspace() -> Workspace:
    return Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})[0]


def workflow(**parameters: Any) -> Workflow:
    """Save one that sends, and takes each way that follows to a node of its own."""
    given = {"url": URL} | parameters if "endpoint" not in parameters else parameters
    outputs = ["delivered", "failed"] if given.get("wait") is True else ["main"]
    nodes = [node("start", "manual_trigger"), node("send", "send_webhook", **given)]
    edges = [edge("start", "send")]
    for output in outputs:
        nodes.append(node(f"on-{output}", "no_op"))
        edges.append(edge("send", f"on-{output}", output))
    return save_workflow(workspace=workspace(), definition={"name": "Sends", "nodes": nodes, "edges": edges}, by=None)


def execution(*items: dict[str, Any], **parameters: Any) -> Execution:
    return lifecycle.create_execution(workflow=workflow(**parameters), trigger=Trigger.MANUAL, input=list(items))


def given_by(run: Execution, node_id: str) -> dict[str, Any]:
    return dict(NodeRun.objects.get(execution=run, node_id=node_id).output or {})


def deliveries(run: Execution) -> list[Delivery]:
    return list(Delivery.objects.filter(execution_id=run.pk, origin=Origin.NODE).order_by("idempotency_key"))


def end_event(run: Execution) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT data FROM events_event WHERE stream_id = %s AND type = 'execution.cancelled'", [run.stream_id]
        )
        (found,) = cursor.fetchall()
    return dict(json.loads(found[0]) if isinstance(found[0], str) else found[0])


def test_each_item_becomes_a_delivery_and_nothing_waits() -> None:
    run = run_here(execution({"n": 1}, {"n": 2}, body={"n": "{{ $json.n }}"}, priority="high", headers={"X-A": "b"}))
    assert run.status == "completed"
    made = deliveries(run)
    assert [(d.url, d.method, d.body, d.status, d.rank) for d in made] == [
        (URL, "POST", '{"n":1}', "pending", Rank.HIGH),
        (URL, "POST", '{"n":2}', "pending", Rank.HIGH),
    ]
    assert [(d.node_id, d.run_index, d.workflow_id) for d in made] == [("send", 0, run.workflow_id)] * 2
    assert [d.idempotency_key for d in made] == [f"{run.pk}/send/0/0", f"{run.pk}/send/0/1"]
    assert SealedSecrets.of(made[0].sealed).headers == {"X-A": "b"}
    assert given_by(run, "on-main") == {"main": [{"delivery_id": str(d.pk), "status": "pending"} for d in made]}


def test_without_a_body_the_item_is_sent_and_text_stays_text() -> None:
    run = run_here(execution({"n": 1}))
    assert [(d.body, d.content_type) for d in deliveries(run)] == [('{"n":1}', "application/json")]
    run = run_here(execution({"n": 1}, body="n is {{ $json.n }}", content_type="text/x-n"))
    assert [(d.body, d.content_type) for d in deliveries(run)] == [("n is 1", "text/x-n")]


def test_a_credential_and_a_signing_secret_are_sealed_into_it() -> None:
    space = workspace()
    create_credential(workspace=space, by=None, type_="bearer", data={"token": "a-token-of-theirs"}, name="Theirs")
    create_credential(
        workspace=space, by=None, type_="bearer", data={"token": "whsec_c2VjcmV0LXNlY3JldA=="}, name="Ours"
    )
    run = run_here(execution({}, credential="Theirs", signing_credential="Ours"))
    (made,) = deliveries(run)
    sealed = SealedSecrets.of(made.sealed)
    assert getattr(sealed.auth, "token", None) == "a-token-of-theirs"
    assert [each.secret for each in sealed.signing] == [SECRET]
    run = run_here(execution({}, signing_credential="Theirs"))
    assert (run.status, "signing_credential" in (run.error or {})["message"]) == ("failed", True)


def test_an_endpoint_is_found_by_its_name_and_has_its_own_settings() -> None:
    endpoint = Endpoint.objects.create(
        workspace=workspace(), name="Orders", url=URL, method="PUT", sealed=SealedSecrets().sealed(), event_types=[]
    )
    run = run_here(execution({"n": 1}, endpoint="Orders"))
    (made,) = deliveries(run)
    assert (made.endpoint_id, made.lane_id, made.method, made.url, made.prepared) == (
        endpoint.pk, endpoint.pk, "PUT", "", True,
    )  # fmt: skip
    Endpoint.objects.filter(pk=endpoint.pk).update(active=False)
    with pytest.raises(InvalidGraph, match="inactive"):
        workflow(endpoint="Orders")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"url": "", "endpoint": ""}, "parameters"),
        ({"url": URL, "endpoint": "Orders"}, "parameters"),
        ({"endpoint": "Orders", "headers": {"a": "b"}}, "parameters.headers"),
        ({"endpoint": "Nobody's"}, "parameters.endpoint"),
        ({"wait": "{{ true }}"}, "parameters.wait"),
        ({"retry": {"preset": "quick", "max_attempts": 3}}, "parameters.retry"),
        ({"timeout_seconds": 0}, "parameters.timeout_seconds"),
        ({"url": "http://10.0.0.1/"}, "parameters.url"),
    ],
)
def test_what_is_wrong_is_said_by_its_field(parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidGraph) as raised:
        workflow(**parameters)
    assert field in {problem.field for problem in raised.value.problems}


def test_a_url_that_may_not_be_called_fails_the_node_when_it_is_known() -> None:
    run = run_here(execution({"url": "http://user@8.8.8.8/"}, url="{{ $json.url }}"))
    assert (run.status, (run.error or {})["message"].startswith("parameters.url")) == ("failed", True)
    assert not deliveries(run)


def test_a_node_run_waits_for_all_its_deliveries_and_goes_on_by_how_they_ended() -> None:
    run = run_here(execution({"n": 1}, {"n": 2}, {"n": 3}, wait=True))
    assert run.status == "waiting"
    made = deliveries(run)
    assert all(delivery.awaited for delivery in made)
    told = Wait.objects.get(execution=run)
    assert told.deliveries == [str(delivery.pk) for delivery in made]
    outbox.cancel(made[:1])
    outbox.cancel(made[2:])
    node_deliveries.sweep()
    told.refresh_from_db()
    assert (told.delivery_id, told.resolved_at) == (made[1].pk, None)
    Delivery.objects.filter(pk=made[1].pk).update(
        status="delivered", status_code=204, attempts_made=2, ended_at=told.created_at
    )
    node_deliveries.sweep()
    run = run_here(run)
    assert run.status == "completed"
    assert given_by(run, "on-delivered") == {
        "main": [
            {"delivery_id": str(made[1].pk), "status": "delivered", "status_code": 204, "attempts": 2, "error": ""}
        ]
    }
    failed = given_by(run, "on-failed")["main"]
    assert [(each["delivery_id"], each["status"]) for each in failed] == [
        (str(made[0].pk), "cancelled"), (str(made[2].pk), "cancelled"),
    ]  # fmt: skip
    recorded = NodeRun.objects.get(execution=run, node_id="send")
    assert recorded.exchange is not None
    assert [(each["request"]["body"], each["answer"]["status"]) for each in recorded.exchange["exchanges"]] == [
        ('{"n":1}', "cancelled"), ('{"n":2}', "delivered"), ('{"n":3}', "cancelled"),
    ]  # fmt: skip
    assert recorded.request_digest


def test_whoever_ends_a_delivery_can_tell_at_once_and_only_one_of_all_resolves_it() -> None:
    run = run_here(execution({}, wait=True))
    (made,) = deliveries(run)
    outbox.cancel([made])
    for _ in range(2):
        node_deliveries.on_deliveries_ended([made])
    wait_until(lambda: Wait.objects.get(execution=run).resolved_at is not None, "The wait's end")
    assert node_deliveries.sweep() == 0
    assert run_here(run).status == "completed"


def test_a_delivery_that_retention_took_away_is_not_waited_for_forever() -> None:
    run = run_here(execution({}, wait=True))
    deliveries(run)[0].delete()
    node_deliveries.sweep()
    run = run_here(run)
    assert [each["status"] for each in given_by(run, "on-failed")["main"]] == ["unknown"]


def begun(run: Execution) -> NodeRun:
    """Claim it, and have its node begin, as a worker does that dies later on."""
    admission.admit()
    (claimed,) = claim_leases([run.pk], "a worker that dies")
    execution, lease = claimed.execution, claimed.lease
    start = NodeRun(execution=execution, node_id="start", name="Start", node_type="manual_trigger")
    start.output, start.duration_ms, start.output_bytes = {"main": run.input}, 0.0, 4
    change = lifecycle.start_node(execution, lease, start, 0)
    change += lifecycle.complete_node(execution, lease, start, None)
    send = NodeRun(execution=execution, node_id="send", name="Send", node_type="send_webhook")
    send.inputs = {"main": [{"node": "start", "run_index": 0, "output": "main"}]}
    change += lifecycle.start_node(execution, lease, send, 1)
    commit(change)
    return send


@pytest.mark.parametrize("wait", [False, True])
def test_a_worker_that_dies_after_it_made_them_leaves_one_for_each_item(wait: bool) -> None:
    run = execution({"n": 1}, {"n": 2}, wait=wait)
    send = begun(run)
    messages = [
        node_deliveries.Message(url=URL, body="{}", idempotency_key=f"{send.idempotency_key}/{i}") for i in range(2)
    ]
    made = node_deliveries.deliver(send, messages, wait)
    lose_worker(run)
    run = run_here(run)
    assert [d.pk for d in deliveries(run)] == [d.pk for d in made]
    if wait:
        assert run.status == "waiting"
        outbox.cancel(made)
        node_deliveries.sweep()
        run = run_here(run)
        assert len(given_by(run, "on-failed")["main"]) == 2
    assert run.status == "completed"


@pytest.mark.parametrize("wait", [False, True])
def test_deliveries_that_ended_while_nobody_held_the_execution_are_not_sent_again(wait: bool) -> None:
    run = execution({}, wait=wait)
    send = begun(run)
    message = node_deliveries.Message(url=URL, body="{}", idempotency_key=f"{send.idempotency_key}/0")
    made = node_deliveries.deliver(send, [message], wait)
    outbox.cancel(made)
    node_deliveries.sweep()
    lose_worker(run)
    run = run_here(run)
    assert (run.status, [d.status for d in deliveries(run)]) == ("completed", ["cancelled"])


def test_a_worker_that_has_lost_the_execution_sends_nothing() -> None:
    run = execution({})
    send = begun(run)
    lose_worker(run)
    run = run_here(run)
    message = node_deliveries.Message(url=URL, idempotency_key="another")
    with pytest.raises(NodeError, match="another worker"):
        node_deliveries.deliver(send, [message], False)
    assert len(deliveries(run)) == 1


def test_of_a_key_there_is_one_delivery_and_several_may_wait_for_it() -> None:
    first = run_here(execution({}, idempotency_key="order-1"))
    (made,) = deliveries(first)
    assert not made.awaited
    second = run_here(execution({}, {}, idempotency_key="order-1", wait=True))
    assert (second.status, deliveries(second)) == ("waiting", [])
    assert Delivery.objects.get(pk=made.pk).awaited
    outbox.cancel([made])
    node_deliveries.sweep()
    second = run_here(second)
    assert [each["delivery_id"] for each in given_by(second, "on-failed")["main"]] == [str(made.pk)] * 2
    third = run_here(execution({}, idempotency_key="order-1", wait=True))
    assert third.status == "completed"  # it has ended already


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_cancelling_withdraws_what_was_not_sent_and_says_what_had_left() -> None:
    run = run_here(execution({}, {}, {}, {}, wait=True))
    arrived, under_way, *unsent = deliveries(run)
    Delivery.objects.filter(pk=arrived.pk).update(status="delivered", ended_at=run.queued_at)
    Delivery.objects.filter(pk=under_way.pk).update(status="sending")
    run = lifecycle.request_cancel(run, reason="No more.")
    assert run.status == "cancelled"
    expected = {
        "withdrawn": 2, "arrived": 1, "under_way": 1, "left": [str(under_way.pk), str(arrived.pk)],
    }  # fmt: skip
    assert (run.cancel_request or {})["deliveries"] == expected
    assert end_event(run)["deliveries"] == expected
    found = {d.pk: (d.status, d.cancel_requested, d.error) for d in deliveries(run)}
    assert found[unsent[0].pk] == ("cancelled", False, "The execution was cancelled: No more.")
    assert found[under_way.pk][:2] == ("sending", True)
    assert found[arrived.pk][0] == "delivered"


def test_a_running_execution_withdraws_at_the_request_and_again_at_its_end() -> None:
    run = execution({})
    send = begun(run)
    message = node_deliveries.Message(url=URL, idempotency_key="k1")
    (made,) = node_deliveries.deliver(send, [message], False)
    asked = lifecycle.request_cancel(run)
    assert (asked.status, Delivery.objects.get(pk=made.pk).status) == ("running", "cancelled")
    with pytest.raises(NodeError, match="Cancelled"):
        node_deliveries.deliver(send, [node_deliveries.Message(url=URL, idempotency_key="k2")], False)
    # As an event's that was appended in between:
    Delivery.objects.filter(pk=made.pk).update(status="pending", ended_at=None, attempts_made=1)
    change = lifecycle.end(
        send.execution,
        lifecycle.Lease(run.pk, send.execution.fencing_token, "a worker that dies"),
        ExecutionStatus.CANCELLED,
        [send],
        asked.cancel_request or {},
        follow_up=False,
    )
    commit(change)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert end_event(run)["deliveries"]["withdrawn"] == 2
    assert (run.cancel_request or {})["deliveries"]["withdrawn"] == 2


def test_one_without_deliveries_says_nothing_of_them() -> None:
    run = lifecycle.request_cancel(execution({}))
    assert end_event(run)["deliveries"] is None
    assert run.cancel_request == {"reason": "Requested.", "by": None}

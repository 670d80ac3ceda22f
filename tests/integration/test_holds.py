"""Hold on failure: a node that fails for good waits for a person, once, and goes on as the answer says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from events.log.models import Event
from executions import credentials, lifecycle
from executions.admission import admission
from executions.domain.statuses import ExecutionStatus
from executions.holds import Answer, BadAnswer, answer, inputs_of
from executions.models import Execution, Mode, NodeRun, Trigger, Wait
from executions.waits import completion
from executions.waits.waits import NotWaiting
from executions.workflows.definitions import save_workflow
from tests.engine import COMMITS, claim_leases, commit, lose_worker, make_workflow, run_here
from tests.telling import telling
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import AuditEntry, Membership, Role, User, Workspace

pytestmark = COMMITS
HOLD = {"on_failure": "hold", "hold_seconds": 600}
PICKY = "if ($input.all().some(i => !i.json.ok)) throw new Error('not ok'); return $input.all().map(i => ({ seen: i.json.ok }))"


def person(role: Role = Role.EDITOR, name: str = "ada") -> User:
    user, _ = User.objects.get_or_create(username=name)
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    Membership.objects.update_or_create(user=user, workspace=workspace, defaults={"role": role})
    return user


def held(
    picky: dict[str, Any] | None = None, *items: dict[str, Any], further: Any = (), **options: Any
) -> tuple[Execution, Wait]:
    """Run an execution until its node `picky` is held. Returns both."""
    nodes = [node("start", "manual_trigger"), picky or node("picky", "code", code=PICKY), node("after", "no_op")]
    edges = [edge("start", "picky"), edge("picky", "after"), *further]
    workflow = make_workflow(nodes, edges, **(options.pop("settings", HOLD)))
    given = list(items) or [{"ok": 0}]
    execution = run_here(lifecycle.create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=given, **options))
    assert execution.status == ExecutionStatus.WAITING.value, execution.error
    return execution, Wait.objects.holds().open().get(execution=execution)


def go_on(execution: Execution) -> Execution:
    """Run the execution again, as a worker does that its wake-up calls."""
    execution.refresh_from_db()
    assert execution.resume_at is not None
    assert execution.resume_at <= timezone.now()
    return run_here(execution)


def say(execution: Execution, hold: Wait, action: str, by: User | None = None, **further: Any) -> Execution:
    answer(execution, hold.pk, Answer(action, **further), by or person())
    return go_on(execution)


def run_of(execution: Execution, node_id: str = "picky") -> NodeRun:
    return NodeRun.objects.get(execution=execution, node_id=node_id)


def told(execution: Execution, *kinds: str) -> list[dict[str, Any]]:
    rows = Event.objects.filter(stream_id=execution.stream_id, type__in=[f"execution.{kind}" for kind in kinds])
    return list(rows.order_by("sequence").values_list("data", flat=True))


def test_a_held_execution_holds_nothing_and_says_what_it_waits_for() -> None:
    execution, hold = held()
    run = run_of(execution)
    assert (run.status, run.attempt, run.wake_at) == ("waiting", 1, hold.expires_at)
    assert "not ok" in (run.error or {})["message"]
    assert (execution.lease_expires_at, execution.admitted_at, execution.resume_at) == (None, None, hold.expires_at)
    (event,) = told(execution, "held")
    assert (event["hold"], event["node"], event["attempt"], event["at"]) == (str(hold.pk), "picky", 1, "failure")
    assert event["error"]["message"] == (run.error or {})["message"]
    assert not told(execution, "node_failed", "node_waiting", "failed")


def test_the_execution_can_say_otherwise_than_its_workflow() -> None:
    _, hold = held(settings={}, on_failure="hold", hold_seconds=60)
    assert hold.expires_at is not None
    assert hold.expires_at - hold.created_at <= timedelta(seconds=61)
    stopping = lifecycle.create_execution(
        workflow=make_workflow([node("start", "manual_trigger"), node("stop", "stop_and_error", message="No.")],
                               [edge("start", "stop")], **HOLD),
        trigger=Trigger.MANUAL, input=[], on_failure="stop",
    )  # fmt: skip
    assert run_here(stopping).status == "failed"
    test, _ = held(mode=Mode.TEST)
    assert test.mode == "test"


def test_another_attempt_uses_the_edited_input_and_is_marked() -> None:
    execution, hold = held()
    ended = say(execution, hold, "retry", input={"main": [{"ok": 1}, {"ok": 2}]})
    run = run_of(execution)
    assert (ended.status, run.attempt, run.output) == ("completed", 2, {"main": [{"seen": 1}, {"seen": 2}]})
    assert run.edited == {"what": ["input"], "attempt": 2}
    assert run.lineage == {}
    assert inputs_of(execution, run) == {"main": [{"ok": 1}, {"ok": 2}]}
    (edited,) = told(execution, "data_edited")
    assert (edited["what"], edited["by"]) == (["input"], "ada")
    assert edited["digest_before"] != edited["digest_after"]
    assert [event["action"] for event in told(execution, "released")] == ["retry"]
    entry = AuditEntry.objects.get(kind="hold.answered")
    assert (entry.actor_name, entry.data["action"], entry.data["what"]) == ("ada", "retry", ["input"])


def test_the_retry_policy_begins_again_and_the_run_is_held_again() -> None:
    picky = node("picky", "code", code=PICKY) | {"retry": {"attempts": 2, "delay_ms": 1, "on": "all"}}
    execution, hold = held(picky)
    assert hold.attempt == 2
    assert say(execution, hold, "retry").status == "waiting"
    again = Wait.objects.holds().open().get(execution=execution)
    assert again.attempt == 4
    ended = say(execution, again, "retry", input={"main": [{"ok": 1}]})
    assert (ended.status, run_of(execution).attempt) == ("completed", 5)


def test_another_attempt_uses_the_edited_parameters_for_this_run_only() -> None:
    execution, hold = held()
    ended = say(execution, hold, "retry", parameters={"code": "return [{ n: $input.all().length }]"})
    run = run_of(execution)
    assert (ended.status, run.output, run.edited) == (
        "completed", {"main": [{"n": 1}]}, {"what": ["parameters"], "attempt": 2},
    )  # fmt: skip
    assert execution.version.nodes[1]["parameters"] == {"code": PICKY}


def test_another_attempt_takes_the_node_from_the_latest_version() -> None:
    execution, hold = held()
    nodes = [dict(each) for each in execution.version.nodes]
    nodes[1]["parameters"] = {"code": "return [{ latest: true }]"}
    save_workflow(workspace=execution.workspace, definition={"nodes": nodes}, by=None, workflow=execution.workflow)
    ended = say(execution, hold, "retry", latest=True)
    assert (ended.status, run_of(execution).output) == ("completed", {"main": [{"latest": True}]})
    assert (run_of(execution).edited or {})["what"] == ["definition"]


def test_a_skipped_run_puts_out_what_was_given_or_lets_its_items_by() -> None:
    execution, hold = held()
    ended = say(execution, hold, "skip", output={"main": [{"made": "up"}]})
    assert (ended.status, run_of(execution, "after").output) == ("completed", {"main": [{"made": "up"}]})
    assert (run_of(execution).edited, run_of(execution).error) == ({"what": ["output"], "attempt": 1}, None)
    other, hold = held()
    assert say(other, hold, "skip").status == "completed"
    assert (run_of(other).output, run_of(other).edited) == ({"main": [{"ok": 0}]}, None)


def test_a_routed_run_sends_its_items_where_the_answer_says() -> None:
    execution, hold = held()
    ended = say(execution, hold, "route", to="main")
    (item,) = run_of(execution, "after").output["main"]
    assert (ended.status, item["ok"], item["error"]["type"]) == ("completed", 0, "NodeError")
    assert run_of(execution).status == "failed"
    assert [event["on_error"] for event in told(execution, "node_failed")] == ["route"]


def test_a_run_fails_when_somebody_says_so_or_nobody_in_time() -> None:
    execution, hold = held()
    ended = say(execution, hold, "fail")
    assert (ended.status, (ended.error or {})["node"], run_of(execution).status) == ("failed", "picky", "failed")
    late, hold = held()
    past = timezone.now() - timedelta(seconds=1)
    Wait.objects.filter(pk=hold.pk).update(expires_at=past)
    NodeRun.objects.filter(execution=late, node_id="picky").update(wake_at=past)
    Execution.objects.filter(pk=late.pk).update(resume_at=past)
    with pytest.raises(NotWaiting):
        answer(late, hold.pk, Answer("retry"), person())
    assert go_on(late).status == "failed"
    assert [(event["action"], event["by"]) for event in told(late, "released")] == [("fail", None)]


BAD: list[tuple[Callable[[], Answer], str, str]] = [
    (lambda: Answer("retry", output={"main": []}), "output", "Leave 'output' out"),
    (lambda: Answer("skip", input={"main": [{}]}), "input", "takes output"),
    (lambda: Answer("fail", to="main"), "to", "takes no further field"),
    (lambda: Answer("retry", input={"other": [{}]}), "input", "no input 'other'"),
    (lambda: Answer("retry", input={"main": []}), "input", "has no item"),
    (lambda: Answer("retry", input={"main": [{"a": "\0"}]}), "input", "U+0000"),
    (lambda: Answer("retry", input={"main": [{"token": "***"}]}), "input.main[0].token", "stands for a secret"),
    (lambda: Answer("retry", parameters={"code": "return ["}), "parameters.code", "line 1"),
    (lambda: Answer("retry", parameters={"code": "1", "cod": "1"}), "parameters.cod", "Unknown parameter"),
    (lambda: Answer("skip", output={"nowhere": [{}]}), "output", "'main', 'error'"),
    (lambda: Answer("route", to="nowhere"), "to", "no output 'nowhere'"),
]  # fmt: skip


def test_an_answer_that_cannot_be_used_is_refused_and_the_hold_stays() -> None:
    execution, hold = held()
    for make, field, message in BAD:
        with pytest.raises(BadAnswer) as refused:
            answer(execution, hold.pk, make(), person())
        assert (refused.value.field, message in str(refused.value)) == (field, True), str(refused.value)
    nodes = [node("start", "manual_trigger"), node("picky", "no_op"), node("after", "no_op")]
    save_workflow(workspace=execution.workspace, definition={"nodes": nodes}, by=None, workflow=execution.workflow)
    with pytest.raises(BadAnswer, match="of the type 'no_op'"):
        answer(execution, hold.pk, Answer("retry", latest=True), person())
    other, _ = held()
    with pytest.raises(NotWaiting):
        answer(other, hold.pk, Answer("retry"), person())
    assert say(execution, hold, "skip").status == "completed"
    with pytest.raises(NotWaiting):
        answer(execution, hold.pk, Answer("fail"), person())


def test_the_edited_input_is_used_after_the_loss_of_the_worker_that_retries() -> None:
    execution, hold = held()
    answer(execution, hold.pk, Answer("retry", input={"main": [{"ok": 1}]}), person())
    admission.admit()
    claim_leases([execution.pk], "one that dies before its first write")
    lose_worker(execution)
    execution.refresh_from_db()
    (claimed,) = claim_leases([execution.pk], "one that dies while the node runs")
    run = next(row for row in claimed.runs if row.node_id == "picky")
    again = lifecycle.retry_node(claimed.execution, claimed.lease, run, run.error or {}, 0.0)
    again += lifecycle.start_node(claimed.execution, claimed.lease, run, 1)
    commit(again)
    lose_worker(execution)
    ended = run_here(execution)
    assert (ended.status, run_of(execution).output) == ("completed", {"main": [{"seen": 1}]})
    assert run_of(execution).edited == {"what": ["input"], "attempt": 2}
    assert (len(told(execution, "held")), len(told(execution, "released"))) == (1, 1)


def test_a_pause_and_a_cancellation_end_no_hold_twice() -> None:
    execution, hold = held()
    lifecycle.request_pause(execution, reason="Later.", by=None)
    answer(execution, hold.pk, Answer("skip"), person())
    execution.refresh_from_db()
    assert execution.status == "paused"
    lifecycle.request_resume(execution, reason="Now.", by=None)
    assert go_on(execution).status == "completed"
    other, hold = held()
    lifecycle.request_cancel(other, reason="No.", by=None)
    completion.follow_up_all()
    hold.refresh_from_db()
    assert (run_of(other).status, hold.resolved_at is not None, hold.outcome) == ("cancelled", True, None)
    with pytest.raises(NotWaiting):
        answer(other, hold.pk, Answer("retry"), person())


@pytest.fixture
def token(settings: Any) -> str:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    return credentials.create(
        workspace=workspace, by=None, type_="bearer", data={"token": "s3cret"}, name="api", description="",
        allowed_hosts=[],
    ).name  # fmt: skip


def test_an_edited_attempt_sends_a_credential_nowhere_new_unless_an_admin_edits(token: str) -> None:
    with telling() as known:
        for _ in range(3):
            known.tell("/", b"{}", status=500)
        port = known.url.rsplit(":", 1)[1]
        call = node("picky", "http_request", method="GET", url=known.url, credential=token)
        execution, hold = held(call)
        other_host = {"method": "GET", "url": f"http://127.0.0.3:{port}/", "credential": token}
        assert say(execution, hold, "retry", parameters=other_host).status == "waiting"
        message = (run_of(execution).error or {})["message"]
        assert "'api' was not sent to '127.0.0.3'" in message
        assert "127.0.0.2" in message
        assert len(known.asked) == 1
        hold = Wait.objects.holds().open().get(execution=execution)
        same_host = {"method": "GET", "url": f"{known.url}/?again=1", "credential": token}
        assert say(execution, hold, "retry", parameters=same_host).status == "waiting"
        assert len(known.asked) == 2
        hold = Wait.objects.holds().open().get(execution=execution)
        admin = person(Role.ADMIN, "eve")
        assert say(execution, hold, "retry", admin, parameters=other_host).status == "waiting"
        assert "was not sent" not in (run_of(execution).error or {})["message"]
        hold = Wait.objects.holds().open().get(execution=execution)
        again = other_host | {"query": {"a": "1"}}  # where an admin sent it is not where an editor may
        assert say(execution, hold, "retry", parameters=again).status == "waiting"
        assert "was not sent to '127.0.0.3'" in (run_of(execution).error or {})["message"]
        assert len(known.asked) == 2

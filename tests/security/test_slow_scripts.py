"""Slow concurrency keys and endpoint scripts of one workspace: nobody else waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from executions import lifecycle
from executions.lifecycle import concurrency_keys
from executions.models import Execution, Schedule, Trigger, WebhookRoute, Workflow
from executions.triggers import schedules
from executions.triggers.hooks import concurrency_keys as hook_keys
from executions.triggers.hooks import intake
from executions.workflows import definitions
from tests.engine import COMMITS, make_workflow
from tests.integration.test_hook_intake import post_all
from tests.receiving import OK, Receiver, receiving
from tests.sending import Sending, attempts, make_deliveries, make_delivery, make_endpoint, sending, statuses
from tests.workflows import edge, node
from webhooks.sending import scripts
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.outbound import connections
from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable
from workflow_platform.core.sandbox.task import Reply
from workflow_platform.installation.embedded import wait_until

pytestmark = COMMITS
ENDLESS = "(() => { while (true); })()"
COMPUTED = "{{ $json.body.n * 2 }}"


@pytest.fixture(autouse=True)
def anew(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with intake._intake.replaced():
        yield
    connections.idle_connections().clear()
    connection.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        made.answering(OK)
        yield made


@pytest.fixture
def here() -> Iterator[Sending]:
    with sending() as made:
        yield made


def workspace(name: str) -> Workspace:
    return Workspace.objects.get_or_create(slug=name, defaults={"name": name})[0]


def hook(path: str, key: str, owner: str = "tests") -> Workflow:
    definition = {
        "name": path,
        "nodes": [node("hook", "webhook_trigger", path=path), node("end", "no_op")],
        "edges": [edge("hook", "end")],
        "settings": {"concurrency": {"limit": 5, "key": key}},
    }
    workflow = definitions.save_workflow(workspace=workspace(owner), definition=definition, by=None)
    definitions.set_active(workflow, True, None)
    return workflow


def at(path: str) -> str:
    """Return where a trigger with this path is called: below its workspace's slug, but for the first workspace."""
    return WebhookRoute.objects.get(trigger_path=path).path


class Held:
    """Keys of one workspace that are evaluated when the test lets them be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        evaluate, held = concurrency_keys.evaluate, str(workspace(owner).pk)

        def when_allowed(wanted: Sequence[Any], group: str) -> list[concurrency_keys.ConcurrencyKey | None]:
            if group == held:
                self.begun.set()
                assert self.go.wait(120)
            return evaluate(wanted, group)

        monkeypatch.setattr(hook_keys.concurrency_keys, "evaluate", when_allowed)


# --- hooks -----------------------------------------------------------------------------------------------------------


def test_a_key_of_one_workspace_delays_no_answer_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = hook("slow", COMPUTED, "attacker"), hook("quick", COMPUTED, "stranger")
    plain = hook("plain", "{{ $json.body.n }}", "attacker")
    held = Held(monkeypatch, "attacker")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(post_all, *({"path": at("slow"), "body": b'{"n": %d}' % n} for n in range(10)))
        assert held.begun.wait(60)
        for _ in range(3):
            answers = post_all({"path": at("quick"), "body": b'{"n": 4}'}, {"path": at("plain"), "body": b'{"n": 4}'})
            assert [status for status, _ in answers] == [202, 202]
        assert not waiting.done()
        held.go.set()
        assert [status for status, _ in waiting.result()] == [202] * 10
    found = set(Execution.objects.filter(workflow=slow).values_list("concurrency_key", flat=True))
    assert found == {str(2 * n) for n in range(10)}
    assert set(Execution.objects.filter(workflow=quick).values_list("concurrency_key", flat=True)) == {"8"}
    assert set(Execution.objects.filter(workflow=plain).values_list("concurrency_key", flat=True)) == {"4"}


def test_a_key_that_never_ends_is_refused_and_the_others_of_its_workspace_come_after_it() -> None:
    hook("endless", "{{ $json.body.n === 1 ? " + ENDLESS + " : $json.body.n }}")
    answers = post_all(*({"path": at("endless"), "body": b'{"n": %d}' % n} for n in (1, 2, 3)))
    assert [status for status, _ in answers] == [409, 202, 202]
    assert "took longer than" in answers[0][1]["detail"]


def test_too_many_keys_of_a_workspace_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hook("many", COMPUTED, "attacker")
    monkeypatch.setattr(hook_keys, "MAX_WAITING", 0)
    held = Held(monkeypatch, "attacker")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(post_all, {"path": at("many"), "body": b'{"n": 1}'})
        assert held.begun.wait(60)
        ((status, answer),) = post_all({"path": at("many"), "body": b'{"n": 2}'})
        assert (status, "concurrency keys" in answer["detail"]) == (429, True)
        held.go.set()
        assert first.result()[0][0] == 202


def test_a_key_that_cannot_be_evaluated_now_is_not_lost_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    hook("away", COMPUTED)

    def unavailable(*_: Any) -> Any:
        raise SandboxUnavailable("No sandbox process is free.")

    monkeypatch.setattr(hook_keys.concurrency_keys, "evaluate", unavailable)
    ((status, answer),) = post_all({"path": at("away")})
    assert (status, answer["detail"]) == (503, "No sandbox process is free.")
    assert not Execution.objects.exists()


# --- other triggers --------------------------------------------------------------------------------------------------


def test_keys_of_executions_are_evaluated_ahead_of_their_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = concurrency_keys.evaluate_all

    def outside(*words: Any, **further: Any) -> Any:
        assert not connection.in_atomic_block
        return evaluate(*words, **further)

    monkeypatch.setattr(concurrency_keys, "evaluate_all", outside)
    nodes = [node("every", "schedule_trigger", interval_seconds=3600), node("end", "no_op")]
    workflow = make_workflow(nodes, [edge("every", "end")], concurrency={"limit": 1, "key": "{{ 'k' + 1 }}"})
    definitions.set_active(workflow, True, None)
    Schedule.objects.update(next_at=Schedule.objects.get().anchor_at)
    schedules.fire_due()
    wait_until(lambda: Execution.objects.exists() and not schedules._awaiting_key, "The execution of the schedule")
    lifecycle.create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[])
    assert list(Execution.objects.values_list("concurrency_key", flat=True)) == ["k1", "k1"]


def test_a_key_of_one_workspace_delays_no_schedule_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, evaluate = threading.Event(), threading.Event(), concurrency_keys.evaluate
    attacker, stranger = workspace("attacker"), workspace("stranger")

    def when_allowed(wanted: Sequence[Any], group: str) -> list[concurrency_keys.ConcurrencyKey | None]:
        if group == str(attacker.pk):
            begun.set()
            assert go.wait(120)
        return evaluate(wanted, group)

    monkeypatch.setattr(concurrency_keys, "evaluate", when_allowed)
    for owner, key in ((attacker, "{{ 'slow' + 1 }}"), (stranger, "{{ 'quick' + 1 }}"), (stranger, "plain")):
        definition = {
            "name": key,
            "nodes": [node("every", "schedule_trigger", interval_seconds=3600), node("end", "no_op")],
            "edges": [edge("every", "end")],
            "settings": {"concurrency": {"limit": 1, "key": key}},
            "active": True,
        }
        definitions.save_workflow(workspace=owner, definition=definition, by=None)
    Schedule.objects.update(next_at=F("anchor_at"))
    assert schedules.fire_due() == 1
    assert begun.wait(60)
    wait_until(lambda: _keys() == {"plain", "quick1"}, "The schedules of the other workspace")
    assert schedules.fire_due() == 0
    go.set()
    wait_until(lambda: _keys() == {"plain", "quick1", "slow1"}, "The schedule that was held")
    wait_until(lambda: not schedules._awaiting_key, "The end of the threads")
    assert Execution.objects.count() == 3


def _keys() -> set[str]:
    return set(Execution.objects.values_list("concurrency_key", flat=True))


# --- deliveries ------------------------------------------------------------------------------------------------------


def test_endless_filters_of_one_workspace_hold_no_delivery_of_another(
    receiver: Receiver, here: Sending, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBHOOK_THREADS = 4
    begun, go = threading.Event(), threading.Event()
    run, attacker = sandbox().run, workspace("attacker")

    def when_allowed(task: Any, *, group: str, **further: Any) -> Reply:
        if group.startswith(str(attacker.pk)):
            begun.set()
            assert go.wait(120)
            return Reply(failure="time")  # as it is
        return run(task, group=group, **further)

    monkeypatch.setattr(sandbox(), "run", when_allowed)
    slow = [make_endpoint(receiver.url, workspace=attacker, filter=ENDLESS) for _ in range(5)]
    held = [delivery for endpoint in slow for delivery in make_deliveries(endpoint, 20)]
    here.wake()
    assert begun.wait(60)
    quick = make_deliveries(make_endpoint(receiver.url, workspace=workspace("stranger"), filter="event.data.n"), 5)
    plain = make_deliveries(make_endpoint(receiver.url, workspace=workspace("stranger")), 5)
    wait_until(lambda: _woken(here, [*quick, *plain]) == {"delivered": 10}, "The deliveries of the other workspace", 60)
    assert "delivered" not in statuses(held)
    go.set()


def _woken(here: Sending, deliveries: Sequence[Any]) -> dict[str, int]:
    here.wake()
    return statuses(deliveries)


def test_a_script_that_breaks_the_limits_of_its_process_fails_its_own_delivery_alone(
    receiver: Receiver, here: Sending
) -> None:
    loop = "const a = new Array(2e6).fill(0); for (;;) a.sort(() => -1)"
    source = "if (event.data.n === 2) { " + loop + " } return {n: event.data.n}"
    endpoint = make_endpoint(receiver.url, transform=source)
    made = make_deliveries(endpoint, 3)
    here.until(delivered=2, failed=1, seconds=60)
    assert "longer than" in attempts(made[1])[0].error or "needs more than" in attempts(made[1])[0].error


def test_deliveries_without_a_sandbox_process_are_given_back_and_sent_later(
    receiver: Receiver, here: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, away = sandbox().run, [True, True]

    def sometimes(task: Any, **further: Any) -> Reply:
        return Reply(failure="lost", detail="was killed by SIGKILL") if away and away.pop() else run(task, **further)

    monkeypatch.setattr(scripts, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sandbox(), "run", sometimes)
    delivery = make_delivery(make_endpoint(receiver.url, transform="return {n: event.data.n}"))
    here.until(delivered=1, seconds=60)
    assert not away
    assert [attempt.number for attempt in attempts(delivery)] == [1]

"""Test and debug executions: after the live ones, without an effect on endpoints, limits and history of live ones."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from events.log import reading
from events.log.models import Stream
from events.retention import cleanup
from events.retention.models import RetentionPolicy
from executions import reruns
from executions.admission import admission, rq_queues
from executions.admission.explanation import explain
from executions.models import Execution, Mode
from executions.pages.listing import activity, workflows_with_runs
from executions.reruns import RerunFilter, RerunRequest
from executions.waits import completion
from tests.admitting import admitted, end, start, workflow_in
from tests.aging import age
from tests.delivering import deliveries_of, make_endpoint
from tests.engine import COMMITS, make_workflow, run_here
from tests.recording import read_stream
from tests.workflows import edge, node
from webhooks.maintenance import reconciliation
from webhooks.models import Origin
from webhooks.outbox import fanout
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

DATABASE = pytest.mark.django_db
EDGES = [edge("start", "fail")]


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Any:
    settings.PERF_MAX_CONCURRENT_EXECUTIONS = 10
    settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 10
    return settings


def member_of(workspace: Workspace) -> User:
    user, _ = User.objects.get_or_create(username="member")
    Membership.objects.get_or_create(user=user, workspace=workspace, defaults={"role": Role.EDITOR})
    return user


@DATABASE
def test_tests_start_after_all_live_executions_of_every_workspace(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow, other = workflow_in(), workflow_in("others")
    (running,) = start(workflow)
    (debugged,) = start(other, mode=Mode.DEBUG, priority="high")
    (tested,) = start(workflow, mode=Mode.TEST)
    (live,) = start(workflow, priority="low")
    explanation = explain(tested, member_of(workflow.workspace))
    assert explanation is not None
    assert explanation["detail"].endswith("Live executions start before this test execution.")
    assert explanation["place"] == 3  # behind the live one of its workspace, and a test of one with fewer executions
    waiting = explain(live, member_of(workflow.workspace))
    assert waiting is not None
    assert (waiting["place"], "Live executions" in waiting["detail"]) == (1, False)
    order = []
    for _ in range(3):
        end([running])
        admission.admit()
        (running,) = admitted()
        order.append(running)
    assert order == [live, debugged, tested]
    assert [rq_queues.NextClaim.of(each).queue for each in order] == ["low", "low", "low"]


@DATABASE
def test_live_executions_do_not_wait_for_tests_and_tests_wait_for_live_ones() -> None:
    keyed = workflow_in(concurrency={"limit": 1, "key": "{{ $json.k }}"})
    of_key: dict[str, Any] = {"input": {"k": "a"}}
    tested, *_ = start(keyed, **of_key, mode=Mode.TEST)
    live, *_ = start(keyed, 2, **of_key)
    assert admitted(workflow=keyed) == [tested, live]
    (held,) = start(keyed, **of_key, mode=Mode.DEBUG)
    end([tested])
    admission.admit()
    assert admitted(workflow=keyed) == [live]
    end(list(Execution.objects.filter(mode=Mode.LIVE)))
    admission.admit()
    assert admitted(workflow=keyed) == [held]

    narrow = workflow_in(concurrency={"limit": 2})
    start(narrow, 3, mode=Mode.TEST)
    start(narrow, 3)
    counts = [len(admitted(workflow=narrow, mode=mode)) for mode in (Mode.TEST, Mode.LIVE)]
    assert counts == [2, 2]

    rated = workflow_in(rate_limit={"count": 2, "seconds": 60})
    start(rated, 3, mode=Mode.TEST)
    start(rated, 3)
    assert [len(admitted(workflow=rated, mode=mode)) for mode in (Mode.TEST, Mode.LIVE)] == [2, 2]

    for policy in ("skip", "cancel_running"):
        single = workflow_in(concurrency={"limit": 1, "policy": policy})
        start(single, mode=Mode.TEST)
        start(single)
        start(single, mode=Mode.DEBUG)
        left = Execution.objects.filter(workflow=single, ended_at__isnull=True)
        kept = Mode.TEST if policy == "skip" else Mode.DEBUG
        assert sorted(left.values_list("mode", flat=True)) == sorted([Mode.LIVE, kept])


@DATABASE
def test_the_events_of_tests_are_marked_and_delivered_only_where_a_person_sends_them() -> None:
    endpoint = make_endpoint()
    workflow = workflow_in()
    executions = {mode: start(workflow, mode=mode)[0] for mode in Mode}
    end(list(executions.values()))
    of_executions = [each for each in deliveries_of(endpoint) if each.execution_id]
    assert {each.execution_id for each in of_executions} == {executions[Mode.LIVE].pk}
    for mode, execution in executions.items():
        envelopes = read_stream(execution.stream.name)
        assert len(envelopes) == 3
        marks = {envelope.get("mode") for envelope in envelopes}
        assert (marks, envelopes[0]["data"]["mode"]) == ({None if mode == Mode.LIVE else mode}, mode)
    hour = reconciliation.hour_of(timezone.now())
    assert all(not balance.violations for balance in reconciliation.reconcile(hour, endpoint.pk))
    (replayed, *_) = _sent_by_a_person(endpoint, executions[Mode.TEST])
    assert json.loads(replayed.body)["mode"] == "test"


def _sent_by_a_person(endpoint: Any, execution: Execution) -> list[Any]:
    stream = reading.states([execution.stream.name])[execution.stream.name]
    return fanout.deliver_to(endpoint, reading.page_after(stream, 0), Origin.REPLAY)


@DATABASE
def test_tests_are_kept_for_a_shorter_time_and_go_with_their_rows(settings: Any) -> None:
    settings.TEST_RETENTION_DAYS = 7
    workflow, patient = workflow_in(), workflow_in("patient")
    RetentionPolicy.objects.create(workspace=patient.workspace, test_days=20)
    live, tested, kept, recent = (
        start(of, mode=mode)[0]
        for of, mode in ((workflow, Mode.LIVE), (workflow, Mode.TEST), (patient, Mode.DEBUG), (workflow, Mode.DEBUG))
    )
    old = [live, tested, kept]
    end([*old, recent])
    age([each.stream_id for each in old], 10)
    ended_at = timezone.now() - timedelta(days=10)
    Execution.objects.filter(pk__in=[each.pk for each in old]).update(ended_at=ended_at)
    Execution.objects.update(follow_up_due=False)
    assert cleanup.forecast().owners == {"execution": (1, 0)}
    report = cleanup.clean_up()
    assert (report.removed.events.total(), report.owners) == (3, {"execution": (1, 0)})
    assert set(Execution.objects.values_list("pk", flat=True)) == {live.pk, kept.pk, recent.pk}
    cleanup.clean_up()
    assert not Stream.objects.filter(pk=tested.stream_id).exists()
    assert len(read_stream(live.stream.name)) == 3


@COMMITS
def test_failed_tests_start_no_error_workflow_and_count_nowhere() -> None:
    handler = make_workflow([node("start", "manual_trigger")], [])
    user = member_of(handler.workspace)
    nodes = [node("start", "manual_trigger"), node("fail", "stop_and_error", message="{{ $execution.mode }}")]
    workflow = make_workflow(nodes, EDGES, error_workflow=str(handler.pk))
    failed = {mode: run_here(start(workflow, mode=mode)[0]) for mode in Mode}
    assert {mode: row.error["message"] for mode, row in failed.items() if row.error} == {mode: mode for mode in Mode}
    completion.follow_up_all()
    handled = Execution.objects.filter(workflow=handler)
    assert [each.input[0]["execution"]["id"] for each in handled] == [str(failed[Mode.LIVE].pk)]
    handled.update(mode=Mode.TEST)  # does not count here
    figures = activity(user)
    assert (figures["failed"], figures["queued"]) == (1, 0)
    shown = workflows_with_runs(user).get(pk=workflow.pk)
    assert [UUID(run["id"]) for run in shown.runs] == [failed[Mode.LIVE].pk]

    again = reruns.rerun(failed[Mode.TEST], RerunRequest(), user)
    debugged = reruns.rerun(failed[Mode.LIVE], RerunRequest("failed", mode=Mode.DEBUG), user)
    assert [(each.mode, each.stream.mode) for each in (again, debugged)] == [("test", "test"), ("debug", "debug")]
    by_filter = RerunFilter(workflow=workflow.pk).matching(Execution.objects.all())
    assert list(by_filter) == [failed[Mode.LIVE]]
    chosen = RerunFilter(ids=[failed[Mode.TEST].pk]).matching(Execution.objects.all())
    assert list(chosen) == [failed[Mode.TEST]]

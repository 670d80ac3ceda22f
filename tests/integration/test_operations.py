"""Operations on many deliveries: told exactly beforehand, done once, also when a worker is lost in the middle."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from events.log.models import Stream
from tests.conftest import Platform
from tests.delivering import append_to, deliveries_of, make_endpoint, make_workspace
from tests.engine import COMMITS
from tests.executing import execute, save, until
from tests.recording import make_stream
from tests.workflows import node
from webhooks import dispatcher, operations, outbox
from webhooks.models import Delivery, Endpoint, Operation, OperationKind
from webhooks.operations import BadOperation, OperationPlan
from webhooks.operations import jobs as operation_jobs
from webhooks.operations.selection import DeliverySelection
from webhooks.outbox import AdHoc, fanout
from workflow_platform.core import jobs
from workflow_platform.installation.embedded import wait_until

RECOVER, REDELIVER, CANCEL, REPLAY = OperationKind
NO_STOP = threading.Event()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Let no worker take what is queued here. Returns the operations that jobs were queued for."""
    queued: list[UUID] = []
    monkeypatch.setattr(jobs, "enqueue", lambda kind, ids: queued.extend(ids))
    monkeypatch.setattr(dispatcher, "wake", lambda: None)
    return queued


def failed(endpoint: Endpoint, count: int, stream: Stream | None = None) -> list[Delivery]:
    """Make deliveries that failed a moment ago."""
    append_to(stream or make_stream(), *["execution.log"] * count)
    made = deliveries_of(endpoint)[-count:]
    Delivery.objects.filter(pk__in=[each.pk for each in made]).update(
        status="failed", ended_at=timezone.now(), attempts_made=5, status_code=503
    )
    return made


def hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def begin(kind: OperationKind, endpoint: Endpoint | None = None, **chosen: Any) -> Operation:
    return operations.start(kind, make_workspace().pk, endpoint, DeliverySelection(**chosen))


def told(kind: OperationKind, endpoint: Endpoint | None = None, **chosen: Any) -> OperationPlan:
    return operations.plan(kind, [make_workspace().pk], endpoint, DeliverySelection(**chosen))


def done(operation: Operation) -> Operation:
    operation_jobs.work(operation.pk, NO_STOP)
    operation.refresh_from_db()
    return operation


def pending(endpoint: Endpoint) -> int:
    return Delivery.objects.filter(endpoint=endpoint, status="pending").count()


@pytest.mark.django_db
def test_recovering_says_exactly_who_gets_how_many_and_then_sends_those_again() -> None:
    first, second = make_endpoint(url="http://127.0.0.2/hook?key=secret"), make_endpoint("tests", "execution.paused")
    stranger, gone = make_endpoint("strangers"), make_endpoint()
    made = failed(first, 3)
    old = made.pop(0)
    Delivery.objects.filter(pk=old.pk).update(ended_at=hour_ago() - timedelta(hours=1))
    append_to(make_stream(), "execution.paused")
    Delivery.objects.filter(endpoint=second).update(status="failed", ended_at=timezone.now())
    failed(stranger, 1, make_stream("strangers"))
    Delivery.objects.filter(endpoint=gone).update(status="failed", ended_at=timezone.now())
    Endpoint.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())

    plan = told(RECOVER, since=hour_ago())
    assert [(r.endpoint, r.name, r.url, r.count) for r in plan.recipients] == [
        (first.pk, first.name, "http://127.0.0.2/hook?key=•••", 2), (second.pk, second.name, second.url, 1),
    ]  # fmt: skip
    assert (plan.count, plan.first_ids[:2]) == (3, [each.pk for each in made])
    operation = done(begin(RECOVER, since=hour_ago()))
    assert (operation.state, operation.total, operation.done, operation.left_out) == ("completed", 3, 3, 0)
    again = Delivery.objects.filter(operation_id=operation.pk, status="pending", attempts_before__in=[0, 5])
    assert again.count() == 3
    left = dict(Delivery.objects.filter(status="failed").values_list("endpoint").annotate(Count("pk")))
    assert left == {first.pk: 1, stranger.pk: 1, gone.pk: 4}


@pytest.mark.django_db
def test_what_changed_meanwhile_is_left_out() -> None:
    endpoint = make_endpoint()
    made = failed(endpoint, 4)
    operation = begin(REDELIVER, endpoint, status_code=503)
    outbox.redeliver([made[0]])
    Delivery.objects.filter(pk=made[1].pk).update(status="delivered", ended_at=timezone.now(), status_code=200)
    failed(endpoint, 2)  # later than the operation
    operation = done(operation)
    assert (operation.total, operation.done, operation.left_out) == (4, 2, 2)
    assert Delivery.objects.get(pk=made[1].pk).status == "delivered"


@COMMITS
def test_a_worker_that_is_lost_in_mid_slice_leaves_nothing_undone_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, alone: list[UUID], settings: Any
) -> None:
    monkeypatch.setattr(operation_jobs, "SLICE", 10)
    stream, endpoint, newer = make_stream(), make_endpoint(), make_endpoint("tests", "workflow.updated")
    append_to(stream, *["execution.log"] * 35)
    operation = begin(REPLAY, newer, event_types=["execution.*"])
    assert alone == [operation.pk]

    class Died(BaseException):
        """As when the process is killed: nothing is cleaned up but what the database undoes."""

    real, slices = fanout.make_for, []

    def dies_in_the_third(*args: Any) -> Any:
        made = real(*args)
        slices.append(len(made))
        if len(slices) == 3:
            raise Died
        return made

    monkeypatch.setattr(fanout, "make_for", dies_in_the_third)
    with pytest.raises(Died):
        operation_jobs.work(operation.pk, NO_STOP)
    operation.refresh_from_db()
    assert (slices, operation.done, operation.state, pending(newer)) == ([10, 10, 10], 20, "running", 20)
    # Its lease is still held, as after a kill, until it runs out.
    lease = timezone.now() + timedelta(seconds=60)
    Operation.objects.update(lease_expires_at=lease, queued_at=None)
    operation_jobs.work(operation.pk, NO_STOP)
    assert (operation_jobs.sweep(), pending(newer)) == (0, 20)
    Operation.objects.update(lease_expires_at=timezone.now())
    assert (operation_jobs.sweep(), operation_jobs.sweep(), len(alone)) == (1, 0, 2)
    operation = done(operation)
    assert (operation.state, operation.total, operation.done, operation.left_out) == ("completed", 35, 35, 0)
    found = deliveries_of(newer)
    assert [each.sequence for each in found] == list(range(1, 36))
    assert {(each.origin, each.operation_id) for each in found} == {("replay", operation.pk)}
    assert pending(endpoint) == 35


@COMMITS
def test_a_job_that_has_lost_its_lease_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, endpoint = make_stream(), make_endpoint()
    failed(endpoint, 3, stream)
    operation = begin(RECOVER, endpoint, since=hour_ago())
    real = outbox.redeliver

    def taken_over_meanwhile(*args: Any) -> Any:
        found = real(*args)

        def elsewhere() -> None:
            Operation.objects.update(lease_token=99)
            connection.close()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return found

    monkeypatch.setattr(outbox, "redeliver", taken_over_meanwhile)
    operation_jobs.work(operation.pk, NO_STOP)
    assert (Operation.objects.get().done, pending(endpoint)) == (0, 0)


@COMMITS
def test_a_replay_does_not_end_before_the_transactions_that_were_at_work_when_it_began() -> None:
    stream, late, endpoint = make_stream(), make_stream(), make_endpoint("tests", "workflow.updated")
    append_to(stream, "execution.log")
    at_work, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            append_to(late, "execution.log")
            at_work.set()
            go_on.wait(60)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    at_work.wait(60)
    operation = begin(REPLAY, endpoint, event_types=["execution.log"], since=hour_ago())
    assert done(operation).state == "running"
    go_on.set()
    thread.join()
    operation = done(operation)
    assert (operation.state, operation.total, operation.done) == ("completed", 1, 2)
    assert {each.stream for each in deliveries_of(endpoint)} == {stream.name, late.name}


@COMMITS
def test_a_replay_is_of_the_time_and_types_asked_for_or_of_what_the_endpoint_wants() -> None:
    workflow = uuid4()
    stream = make_stream()
    events = append_to(stream, "execution.log", "execution.paused", workflow=workflow)
    append_to(stream, "execution.log")
    append_to(make_stream("strangers"), "execution.log", workflow=workflow)
    endpoint = make_endpoint("tests", "execution.l*", workflow_id=workflow)
    Endpoint.objects.filter(pk=endpoint.pk).update(active=False)
    plan = told(REPLAY, endpoint)
    assert (plan.count, [str(pk) for pk in plan.first_ids]) == (1, [events[0].id])
    assert [(r.endpoint, r.count) for r in plan.recipients] == [(endpoint.pk, 1)]
    assert told(REPLAY, endpoint, event_types=["*"]).count == 2
    assert told(REPLAY, endpoint, since=datetime.now(UTC)).count == 0
    assert told(REPLAY, endpoint, until=hour_ago()).count == 0
    operation = begin(REPLAY, endpoint)
    Endpoint.objects.filter(pk=endpoint.pk).update(event_types=["*"], workflow_id=None)
    assert (done(operation).done, pending(endpoint)) == (1, 1)
    operation = begin(REPLAY, endpoint)
    Endpoint.objects.filter(pk=endpoint.pk).update(deleted_at=timezone.now())
    operation = done(operation)
    assert (operation.state, operation.error) == ("failed", "The endpoint was deleted.")


@pytest.mark.django_db
def test_cancelling_many_and_cancelling_the_operation_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = make_endpoint()
    append_to(make_stream(), *["execution.log", "execution.paused"] * 3)
    (ad_hoc,) = outbox.create_ad_hoc([AdHoc(workspace_id=make_workspace().pk, url="http://127.0.0.2:81/x")])
    plan = told(CANCEL, origin=["api"])
    assert [(r.endpoint, r.name, r.count) for r in plan.recipients] == [(None, "127.0.0.2:81", 1)]
    operation = begin(CANCEL, endpoint, event_type=["execution.paused"])
    assert operations.cancel(operation)
    assert not operations.cancel(operation)
    assert (done(operation).state, pending(endpoint)) == ("cancelled", 6)
    operation = done(begin(CANCEL, endpoint, event_type=["execution.paused"]))
    assert (operation.done, pending(endpoint)) == (3, 3)
    some = deliveries_of(endpoint)[0].pk
    assert done(begin(CANCEL, ids=[some, ad_hoc.pk])).done == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "field", "chosen"),
    [
        (RECOVER, "since", {}),
        (RECOVER, "status", {"since": datetime(2026, 1, 1, tzinfo=UTC), "status": ["failed"]}),
        (CANCEL, "ids.0", {"ids": ["not an id"]}),
        (CANCEL, "since", {"since": "2026-11-25T03:00:00"}),
        (CANCEL, "type", {"type": "no such field"}),
        (REPLAY, "endpoint", {}),
        (CANCEL, "event_type", {"event_type": ["nothing.*"]}),
        (CANCEL, "until", {"since": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)}),
    ],
)
def test_an_operation_that_makes_no_sense_is_refused_by_field(
    kind: OperationKind, field: str, chosen: dict[str, Any]
) -> None:
    workspace = make_workspace().pk
    for ask in (
        lambda: operations.plan(kind, [workspace], None, chosen),
        lambda: operations.start(kind, workspace, None, chosen),
    ):
        with pytest.raises(BadOperation) as refused:
            ask()
        assert refused.value.field == field


@pytest.mark.django_db
def test_the_endpoint_of_another_workspace_is_not_there() -> None:
    with pytest.raises(BadOperation, match="no endpoint with this id"):
        told(CANCEL, make_endpoint("strangers"))


# --- on a running platform -------------------------------------------------------------------------------------------

_START = """
from tests.conftest import Platform
from tests.delivering import make_endpoint
from webhooks import operations
from webhooks.models import OperationKind
from workflow_platform.core.accounts.models import Workspace
workspace = Workspace.objects.order_by("created_at").first()
endpoint = make_endpoint(workspace.slug, "*", active=False)
operation = operations.start(OperationKind.{kind}, workspace.pk, {endpoint}, {chosen})
print("operation", operation.pk, endpoint.pk)
"""


def started(platform: Platform, kind: str, endpoint: str = "endpoint", chosen: str = "{}") -> tuple[str, str]:
    said = platform.shell.run(_START.format(kind=kind, endpoint=endpoint, chosen=chosen))
    operation, endpoint_id = said.split("operation ")[1].split()[:2]
    completed = "SELECT count(*) FROM webhooks_operation WHERE id = %s AND state = 'completed'"
    wait_until(lambda: platform.query(completed, operation) == [(1,)], "The operation")
    return operation, endpoint_id


def test_a_worker_does_what_was_started_elsewhere(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    since = f'{{"since": "{timezone.now().isoformat()}"}}'  # what other tests did on this platform may be thousands
    until(platform, execute(platform, save(platform, [node("start", "manual_trigger")], [])))
    operation, endpoint = started(platform, "REPLAY", chosen=since)
    made = (
        "SELECT count(*), min(status), max(status) FROM webhooks_delivery WHERE operation_id = %s AND endpoint_id = %s"
    )
    ((count, *statuses),) = platform.query(made, operation, endpoint)
    assert (count > 0, statuses) == (True, ["pending", "pending"])
    operation, _ = started(platform, "CANCEL", "None", f'{{"endpoint": ["{endpoint}"]}}')
    assert platform.query(made, operation, endpoint) == [(count, "cancelled", "cancelled")]

"""The outbox: deliveries are committed with their events, for whoever listens at that moment, and taken back whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from django.db import connection, transaction
from django.db.models import JSONField, Value
from django.utils import timezone

from events.log.models import Stream
from tests.delivering import append_to, deliveries_of, make_endpoint
from tests.engine import COMMITS
from tests.recording import make_stream
from webhooks import dispatcher, outbox
from webhooks.models import Delivery, DeliveryStatus, Endpoint, Origin, Rank
from webhooks.outbox import fanout
from workflow_platform.core.identifiers import uuid7_texts

DATABASE = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return one entry for each time that the workers would be told."""
    calls: list[None] = []
    monkeypatch.setattr(dispatcher, "wake", lambda: calls.append(None))
    return calls


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream()


# --- with the events -------------------------------------------------------------------------------------------------


@COMMITS
def test_what_is_rolled_back_is_delivered_to_nobody_and_what_is_committed_once_to_each(woken: list[None]) -> None:
    stream, one, other = make_stream(), make_endpoint(), make_endpoint()
    with transaction.atomic():
        append_to(stream, "execution.log")
        transaction.set_rollback(True)
    assert (Delivery.objects.count(), woken) == (0, [])
    (event,) = append_to(stream, "execution.log")
    found = Delivery.objects.values_list("endpoint_id", "event_id", "status", "lane_id")
    assert sorted(found) == sorted((e.pk, UUID(event.id), "pending", e.pk) for e in (one, other))
    assert woken == [None]


@DATABASE
def test_an_endpoint_gets_the_types_and_the_workflow_that_it_asked_for(stream: Stream) -> None:
    workflow = uuid4()
    everything = make_endpoint()
    pattern = make_endpoint("tests", "execution.p*", "workflow.updated", "long.gone.*")
    exact = make_endpoint("tests", "execution.log")
    of_workflow = make_endpoint(workflow_id=workflow)
    append_to(stream, "execution.log", "execution.paused", execution=UUID(stream.name.partition(":")[2]))
    append_to(stream, "execution.paused", workflow=workflow)

    def types(endpoint: Endpoint) -> list[str]:
        return [each.event_type for each in deliveries_of(endpoint)]

    assert types(everything) == ["execution.log", "execution.paused", "execution.paused"]
    assert types(pattern) == ["execution.paused", "execution.paused"]
    assert types(exact) == ["execution.log"]
    assert types(of_workflow) == ["execution.paused"]


@DATABASE
@pytest.mark.parametrize("nonsense", [7, None, {"execution.log": 1}, "execution.log", [7, None, ["execution.log"]]])
def test_an_endpoint_whose_row_makes_no_sense_keeps_no_event_from_being_appended(
    stream: Stream, nonsense: object
) -> None:
    broken, sound = make_endpoint(), make_endpoint()
    Endpoint.objects.filter(pk=broken.pk).update(event_types=Value(nonsense, JSONField()))
    append_to(stream, "execution.log")
    assert (deliveries_of(broken), len(deliveries_of(sound))) == ([], 1)


@DATABASE
def test_no_event_leaves_its_workspace_and_those_of_the_installation_go_nowhere(stream: Stream) -> None:
    stranger = make_endpoint("strangers")
    mine = make_endpoint()
    append_to(stream, "execution.log")
    append_to(make_stream("strangers"), "execution.paused")
    assert [each.event_type for each in deliveries_of(mine)] == ["execution.log"]
    assert [each.event_type for each in deliveries_of(stranger)] == ["execution.paused"]
    (event,) = append_to(Stream.objects.create(name=f"execution:{uuid4()}"), "execution.log")
    assert not Delivery.objects.filter(event_id=event.id).exists()
    with pytest.raises(ValueError, match="only events of its workspace"):
        outbox.deliver_to(mine, [event], Origin.TEST)


@DATABASE
def test_paused_endpoints_are_kept_deliveries_inactive_and_deleted_ones_get_none(stream: Stream) -> None:
    paused = make_endpoint(paused_at=timezone.now())
    silent = [make_endpoint(active=False), make_endpoint(deleted_at=timezone.now())]
    append_to(stream, "execution.log")
    assert len(deliveries_of(paused)) == 1
    assert [deliveries_of(each) for each in silent] == [[], []]


@COMMITS
def test_an_endpoint_that_another_process_changes_counts_for_the_next_append(woken: list[None]) -> None:
    stream, endpoint = make_stream(), make_endpoint("tests", "execution.log")

    def elsewhere(change: str) -> None:
        def work() -> None:  # a connection of its own is all that another process has
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE webhooks_endpoint SET {change}")
            connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with transaction.atomic():
        append_to(stream, "execution.log")
        elsewhere("event_types = '[\"execution.paused\"]'")
        append_to(stream, "execution.log", "execution.paused")
    elsewhere("active = false")
    append_to(stream, "execution.paused")
    assert [each.event_type for each in deliveries_of(endpoint)] == ["execution.log", "execution.paused"]


@DATABASE
def test_bodies_are_cloud_events_that_an_independent_library_reads(stream: Stream) -> None:
    endpoint, execution, workflow = make_endpoint(), UUID(stream.name.partition(":")[2]), uuid4()
    (event,) = append_to(stream, "execution.paused", execution=execution, workflow=workflow)
    (delivery,) = deliveries_of(endpoint)
    message = HTTPMessage({"content-type": delivery.content_type}, delivery.body.encode())
    read = from_structured_event(message)
    assert (read.get_id(), read.get_type(), read.get_source()) == (event.id, "execution.paused", "tests")
    assert (read.get_time(), read.get_subject(), read.get_specversion()) == (event.happened_at, stream.name, "1.0")
    assert read.get_data() == event.data
    own = {"stream": stream.name, "sequence": 1, "executionid": str(execution), "workflowid": str(workflow)}
    assert {name: read.get_extension(name) for name in own} == own


@DATABASE
def test_bodies_hold_whatever_a_payload_holds(stream: Stream) -> None:
    endpoint = make_endpoint("tests", "execution.log")
    reason = 'tab\t newline\n backslash \\ \\N \\. quote " snowman ☃ \U0001f600 \u2028'
    from tests.recording import append

    append(stream, reason)
    assert json.loads(deliveries_of(endpoint)[0].body)["data"]["message"] == reason


@DATABASE
def test_an_endpoint_that_keeps_order_has_its_deliveries_in_that_of_the_stream(stream: Stream) -> None:
    endpoint = make_endpoint(ordering="per_stream")
    for _ in range(3):
        append_to(stream, *["execution.log"] * 20)
    found = deliveries_of(endpoint)
    assert [each.sequence for each in found] == list(range(1, 61))
    assert {each.ordering_key for each in found} == {stream.name}


def test_ids_of_a_moment_grow_and_those_of_a_later_one_are_greater() -> None:
    moment = datetime(2026, 11, 25, 3, 0, 0, 123_456, tzinfo=UTC)
    ids = [UUID(text) for text in uuid7_texts(moment, 1000)]
    later = UUID(uuid7_texts(moment + timedelta(microseconds=1), 1)[0])
    assert ids == sorted(set(ids))
    assert ids[-1] < later
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert ids[0].int >> 80 == int(moment.timestamp() * 1000)


@DATABASE
def test_events_are_sent_again_with_a_mark_whatever_the_endpoint_wants(stream: Stream) -> None:
    endpoint = make_endpoint("tests", "workflow.updated")
    events = append_to(stream, "execution.log", "execution.paused")
    operation = uuid4()
    made = outbox.deliver_to(endpoint, events, Origin.REPLAY, Rank.LOW, operation)
    assert [(d.event_id, d.origin, d.rank, d.operation_id) for d in made] == [
        (UUID(event.id), Origin.REPLAY, Rank.LOW, operation) for event in events
    ]
    assert json.loads(made[0].body)["replay"] is True


# --- taken back, sent again ------------------------------------------------------------------------------------------


@pytest.fixture
def of_each_status(stream: Stream) -> Iterator[dict[str, Delivery]]:
    """Make one delivery of each status, of one execution."""
    endpoint = make_endpoint()
    append_to(stream, *["execution.log"] * 5, execution=UUID(stream.name.partition(":")[2]))
    made = dict(zip(DeliveryStatus.values, deliveries_of(endpoint), strict=True))
    for status, each in made.items():
        ended = timezone.now() if status not in {"pending", "sending"} else None
        each.status, each.ended_at, each.attempts_made = status, ended, 3
        each.save()
    return made


def statuses(made: dict[str, Delivery]) -> dict[str, str]:
    found = dict(Delivery.objects.values_list("pk", "status"))
    return {name: found[each.pk] for name, each in made.items()}


def test_cancelling_an_execution_withdraws_what_has_not_left_and_says_what_has(
    of_each_status: dict[str, Delivery],
) -> None:
    execution = of_each_status["pending"].execution_id
    assert execution is not None
    Delivery.objects.filter(pk=of_each_status["failed"].pk).update(event_type="execution.cancelled")
    with transaction.atomic():
        outbox.withdraw([execution], "The execution was cancelled.")
        transaction.set_rollback(True)
    assert statuses(of_each_status)["pending"] == "pending"
    found = outbox.withdraw([execution, uuid4()], "The execution was cancelled.")
    sent, sending = of_each_status["delivered"].pk, of_each_status["sending"].pk
    assert (found.withdrawn, found.sent, found.sending, found.left) == (1, 1, 1, [sending, sent])
    after = statuses(of_each_status)
    assert after == {**{name: name for name in after}, "pending": "cancelled"}
    of_each_status["pending"].refresh_from_db()
    assert of_each_status["pending"].error == "The execution was cancelled."
    assert Delivery.objects.get(pk=sending).cancel_requested
    assert outbox.withdraw([], "") == outbox.Withdrawn()


def test_what_tells_of_the_end_is_not_withdrawn(of_each_status: dict[str, Delivery]) -> None:
    pending = of_each_status["pending"]
    assert pending.execution_id is not None
    for change in ({"event_type": "execution.cancelled"}, {"event_type": "", "origin": Origin.TEST}):
        Delivery.objects.filter(pk=pending.pk).update(**change)
        assert outbox.withdraw([pending.execution_id], "Cancelled.").withdrawn == 0


def test_cancelling_leaves_what_has_ended(of_each_status: dict[str, Delivery]) -> None:
    found = outbox.cancel(list(of_each_status.values()), "Not wanted any more.")
    assert (found.cancelled, found.requested) == ([of_each_status["pending"].pk], [of_each_status["sending"].pk])
    assert outbox.cancel([of_each_status["pending"].pk]) == outbox.CancelResult([], [])


def test_redelivering_sends_what_has_ended_under_the_same_id(of_each_status: dict[str, Delivery]) -> None:
    ended = [each.pk for name, each in of_each_status.items() if name not in {"pending", "sending"}]
    assert sorted(outbox.redeliver(list(of_each_status.values()))) == sorted(ended)
    for each in Delivery.objects.filter(pk__in=ended):
        assert (each.status, each.attempts_before, each.attempts_made, each.ended_at) == ("pending", 3, 3, None)
        assert each.due_at <= timezone.now()
    Endpoint.objects.update(deleted_at=timezone.now())
    outbox.cancel(ended)
    assert outbox.redeliver(ended) == []


def test_requests_to_test_urls_are_told_to_nobody_outside() -> None:
    assert "workflow.updated" in fanout.types_of('["workflow.*"]')
    assert "workflow.hook_tested" not in fanout.types_of('["*", "workflow.*"]')

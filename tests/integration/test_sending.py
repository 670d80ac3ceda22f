"""Deliveries on their way: a sender in this process, a real receiver, real rows."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from django.db import connection
from standardwebhooks import Webhook

from events.log.models import Event
from tests.engine import COMMITS
from tests.hostile import hostile, read_request
from tests.receiving import OK, Receiver, receiving, status
from tests.sending import (
    Sending,
    attempts,
    lane,
    make_deliveries,
    make_delivery,
    make_due,
    make_endpoint,
    sending,
    signer,
    statuses,
)
from webhooks.models import Delivery, Endpoint, EndpointRevision
from webhooks.secrets import BasicAuth, BearerAuth, HeaderAuth, HmacAuth, QueryAuth, SealedSecrets
from webhooks.sending import outcomes, transport
from workflow_platform.core.outbound import connections
from workflow_platform.installation.embedded import free_port, wait_until

pytestmark = COMMITS
ONCE = {"preset": "custom", "max_attempts": 1}
LATER = {"preset": "custom", "delays_seconds": [1000.0, 1000.0]}


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    yield
    connections.idle_connections().clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def here() -> Iterator[Sending]:
    with sending() as made:
        yield made


def test_what_is_due_is_sent_once_as_cloud_events_with_signatures_that_others_verify(
    receiver: Receiver, here: Sending
) -> None:
    old, new = signer(), signer()
    expired = signer(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    old = old.model_copy(update={"expires_at": datetime.now(UTC) + timedelta(hours=1)})
    made = make_deliveries(make_endpoint(receiver.url, SealedSecrets(signing=[old, new, expired])), 30)
    make_delivery(make_endpoint(receiver.url), due_at=datetime.now(UTC) + timedelta(hours=1))
    here.drain()
    assert statuses() == {"delivered": 30, "pending": 1}
    assert sorted(receiver.ids) == sorted(each.message_id for each in made)
    for request in receiver.requests:
        for secret in (old, new):
            Webhook(secret.secret).verify(request.body, request.headers)
        assert len(request.headers["webhook-signature"].split(" ")) == 2
        event = from_http_event(HTTPMessage(request.headers, request.body))
        assert (event.get_type(), event.get_id()) == ("execution.log", json.loads(request.body)["id"])
    (attempt,) = attempts(made[0])
    assert (attempt.number, attempt.outcome, attempt.status_code, attempt.response_body) == (1, "delivered", 200, "ok")
    assert attempt.endpoint_id == made[0].endpoint_id
    assert 0 < (attempt.dns_ms or 0) <= (attempt.first_byte_ms or 0) <= (attempt.total_ms or 0)
    assert any(attempts(each)[0].connect_ms for each in made)


def test_each_answer_is_taken_as_it_is_meant(
    receiver: Receiver, here: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = dict.fromkeys((200, 201, 204, 299), "delivered")
    expected |= dict.fromkeys((408, 429, 500, 502, 503, 504), "pending")
    expected |= dict.fromkeys((301, 302, 304, 400, 401, 403, 404, 410, 422, 501, 505), "failed")
    receiver.answer = lambda request: status(int(request.path[1:]), "Location: http://127.0.0.2:1/")
    made = {
        code: make_delivery(make_endpoint(f"{receiver.url}{code}", retry_policy=LATER), awaited=True)
        for code in expected
    }
    told: list[Delivery] = []
    before = datetime.now(UTC)
    monkeypatch.setattr(outcomes, "_callbacks", [told.extend])
    here.drain()
    for delivery in made.values():
        delivery.refresh_from_db()
    assert {code: each.status for code, each in made.items()} == expected
    assert len(receiver.requests) == len(expected)
    assert sorted(each.status_code or 0 for each in told) == sorted(
        code for code, became in expected.items() if became != "pending"
    )
    again = made[500]
    (attempt,) = attempts(again)
    assert (attempt.outcome, attempt.error_class, attempt.next_attempt_at) == ("retry", "status", again.due_at)
    assert attempt.next_attempt_at is not None
    assert before + timedelta(seconds=800) < again.due_at <= datetime.now(UTC) + timedelta(seconds=1000)


def test_a_policy_may_have_other_answers_retried_and_ends_after_its_last_attempt(
    receiver: Receiver, here: Sending
) -> None:
    receiver.answering(status(404))
    policy = {"preset": "custom", "delays_seconds": [0.01, 0.01], "retry_other_4xx": True}
    delivery = make_delivery(make_endpoint(receiver.url, retry_policy=policy))
    here.until(failed=1)
    tried = attempts(delivery)
    assert [each.outcome for each in tried] == ["retry", "retry", "failed"]
    assert receiver.ids == [delivery.message_id] * 3


def test_every_attempt_has_the_same_id_and_a_time_and_signature_of_its_own(receiver: Receiver, here: Sending) -> None:
    receiver.answering(status(500), status(503), OK)
    secret = signer()
    policy = {"preset": "custom", "delays_seconds": [1.2, 0.0]}
    delivery = make_delivery(make_endpoint(receiver.url, SealedSecrets(signing=[secret]), retry_policy=policy))
    here.until(delivered=1)
    assert receiver.ids == [delivery.message_id] * 3
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) > 1
    for request in receiver.requests:
        Webhook(secret.secret).verify(request.body, request.headers)


def test_410_makes_the_endpoint_inactive_and_says_so(receiver: Receiver, here: Sending) -> None:
    receiver.answering(status(410))
    endpoint = make_endpoint(receiver.url, max_concurrent=1)
    EndpointRevision.objects.create(endpoint=endpoint, listening=True, event_types=["*"])
    make_deliveries(endpoint, 3)
    here.drain()
    wait_until(lambda: not Endpoint.objects.get(pk=endpoint.pk).active, "Its end")
    here.drain()
    endpoint.refresh_from_db()
    assert statuses() == {"failed": 1, "pending": 2}
    assert (endpoint.active, endpoint.disabled_reason) == (False, "The receiver responded with 410 Gone.")
    assert endpoint.disabled_at is not None
    assert [each.listening for each in endpoint.revisions.order_by("began_at")] == [True, False]
    (event,) = Event.objects.filter(type="system.error")
    assert endpoint.name in event.data["message"]


def test_an_endpoint_that_fails_for_days_is_made_inactive(receiver: Receiver, here: Sending, settings: Any) -> None:
    receiver.answering(status(500))
    endpoint = make_endpoint(receiver.url, retry_policy=LATER)
    make_delivery(endpoint)
    here.drain()
    since = datetime.now(UTC) - timedelta(hours=settings.WEBHOOK_DISABLE_AFTER_HOURS + 1)
    endpoint.lane.__class__.objects.filter(pk=endpoint.pk).update(failing_since=since)
    make_due(*Delivery.objects.all())
    here.drain()
    wait_until(lambda: not Endpoint.objects.get(pk=endpoint.pk).active, "Its end")


# --- Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_heeded_for_the_delivery_and_its_lane(receiver: Receiver, here: Sending, form: str) -> None:
    later = datetime.now(UTC) + timedelta(seconds=600)
    receiver.answering(status(429, f"Retry-After: {'600' if form == 'seconds' else format_datetime(later, True)}"))
    endpoint = make_endpoint(receiver.url, max_concurrent=1)
    delivery, other = make_deliveries(endpoint, 2)
    here.drain()
    delivery.refresh_from_db()
    asked = timedelta(seconds=600)
    assert later - timedelta(seconds=1) <= delivery.due_at <= datetime.now(UTC) + asked * 1.1
    assert len(receiver.requests) == 1
    other.refresh_from_db()
    assert other.status == "pending"
    until = lane(endpoint).not_before
    assert until is not None
    assert later - timedelta(seconds=1) <= until <= datetime.now(UTC) + asked * 1.1


# --- the network ------------------------------------------------------------------------------------------------------


def test_whatever_the_network_does_is_a_failure_of_a_kind_and_is_tried_again(here: Sending) -> None:
    def speaks_plainly(connection: Any, over: Any) -> None:
        connection.sendall(OK)
        over.wait(5)

    answers: dict[str, bytes | None] = {"reset": None, "protocol": b"\x00\x01garbage\r\n\r\n"}
    made: dict[str, Delivery] = {}
    with receiving() as server, hostile(speaks_plainly) as plain:

        def answer(request: Any) -> bytes | None:
            kind = request.path[1:]
            return answers[kind] if kind in answers else server.hang(request)

        server.answer = answer
        for kind in (*answers, "timeout"):
            made[kind] = make_delivery(make_endpoint(server.url + kind, retry_policy=LATER, timeout_seconds=0.5))
        refused = make_endpoint("http://127.0.0.3:80/", retry_policy=LATER)
        closed = make_endpoint(f"http://127.0.0.2:{free_port()}/", retry_policy=LATER)
        nowhere = make_endpoint("http://no-such-host.invalid/", retry_policy=LATER)
        untrusted = make_endpoint(plain.url.replace("http:", "https:"), retry_policy=LATER)
        made |= {"refused": make_delivery(refused), "connect": make_delivery(closed), "dns": make_delivery(nowhere)}
        made["tls"] = make_delivery(untrusted)
        here.drain()
    found = {kind: attempts(each)[0] for kind, each in made.items()}
    assert {kind: each.error_class for kind, each in found.items()} == {kind: kind for kind in made}
    assert {kind: each.outcome for kind, each in found.items()} == dict.fromkeys(made, "retry") | {"refused": "failed"}
    assert all(each.error for each in found.values())
    assert (found["timeout"].total_ms or 0) > 400


def test_a_slow_loris_is_left_at_the_deadline(here: Sending) -> None:
    def drips(connection: Any, over: Any) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b"a")

    with hostile(drips) as server:
        delivery = make_delivery(make_endpoint(server.url, timeout_seconds=0.6, retry_policy=ONCE))
        here.drain()
    (attempt,) = attempts(delivery)
    assert (attempt.outcome, attempt.error_class) == ("failed", "timeout")


def test_an_answer_is_kept_up_to_the_cap(receiver: Receiver, here: Sending, settings: Any) -> None:
    settings.WEBHOOK_RESPONSE_MAX_BYTES = 1000
    receiver.answering(status(200, "X-Odd: a\tb\\n", body=b"a\0\xff\\t\n" + b"b" * 10_000_000))
    delivery = make_delivery(make_endpoint(receiver.url))
    here.drain()
    (attempt,) = attempts(delivery)
    assert attempt.response_body.startswith("a��\\t\nbbb")
    assert len(attempt.response_body) == 1000
    assert attempt.response_truncated
    assert attempt.response_headers["x-odd"] == "a\tb\\n"


def test_redirects_are_followed_only_if_the_endpoint_says_so_and_each_hop_is_checked(here: Sending) -> None:
    with receiving() as there, receiving() as server:
        server.answer = lambda request: status(
            307, f"Location: {there.url if request.path == '/' else request.path[1:]}"
        )
        secrets = SealedSecrets(
            signing=[signer()], auth=BearerAuth(type="bearer", token="a-token"), headers={"X-Own": "own"}
        )
        follows = make_delivery(make_endpoint(server.url, secrets, follow_redirects=True))
        inside = make_delivery(
            make_endpoint(f"{server.url}http://127.0.0.1:{free_port()}/", secrets, follow_redirects=True)
        )
        there.answer = lambda request: OK
        here.drain()
        (request,) = there.requests
        assert (request.id, request.method, request.body.decode()) == (follows.message_id, "POST", follows.body)
        assert "authorization" not in request.headers
        assert "x-own" not in request.headers
        server.answer = lambda request: status(302, f"Location: {server.url}")
        endless = make_delivery(make_endpoint(server.url, follow_redirects=True, retry_policy=ONCE))
        here.drain()
    assert attempts(inside)[0].error_class == "refused"
    assert attempts(endless)[0].error == "The receiver redirected more than 3 times, the limit."
    assert [request.id for request in server.requests].count(endless.message_id) == 4


# --- what is sent, and what of it is logged ---------------------------------------------------------------------------


def test_no_secret_is_in_a_log_or_an_attempt(
    receiver: Receiver, here: Sending, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    auths = {
        "bearer": BearerAuth(type="bearer", token="bearer-secret"),
        "basic": BasicAuth(type="basic", username="somebody", password="basic-secret"),
        "header": HeaderAuth(type="header", name="X-Key", value="header-secret"),
        "query": QueryAuth(type="query", name="key", value="query secret&more"),
        "hmac": HmacAuth(type="hmac", secret="hmac-secret", header="X-Hub-Signature-256", prefix="sha256="),
    }
    echo: dict[str, str] = {}

    def answer(request: Any) -> bytes:
        echo[request.path.partition("?")[0][1:]] = request.path
        return status(500, f"X-Echo: {request.path}", body=json.dumps([request.path, request.headers]).encode())

    receiver.answer = answer
    made = {}
    signing = signer()
    for kind, auth in auths.items():
        secrets = SealedSecrets(signing=[signing], auth=auth, headers={"X-Sealed": f"own-secret-{kind}"})
        endpoint = make_endpoint(f"{receiver.url}{kind}?open=value", secrets, retry_policy=ONCE)
        made[kind] = make_delivery(endpoint)
        unreachable = make_endpoint(f"http://127.0.0.2:{free_port()}/{kind}?a=b", secrets, retry_policy=ONCE)
        make_delivery(unreachable)
    here.drain()
    by_kind = {request.path.partition("?")[0][1:]: request for request in receiver.requests}
    assert by_kind["bearer"].headers["authorization"] == "Bearer bearer-secret"
    assert by_kind["basic"].headers["authorization"] == "Basic c29tZWJvZHk6YmFzaWMtc2VjcmV0"
    assert by_kind["header"].headers["x-key"] == "header-secret"
    assert by_kind["query"].path == "/query?open=value&key=query+secret%26more"
    digest = hmac.new(b"hmac-secret", by_kind["hmac"].body, hashlib.sha256).hexdigest()
    assert by_kind["hmac"].headers["x-hub-signature-256"] == f"sha256={digest}"
    assert all(request.headers["x-sealed"].startswith("own-secret") for request in receiver.requests)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a::text FROM webhooks_deliveryattempt a UNION ALL SELECT d::text FROM webhooks_delivery d"
        )
        rows = "\n".join(row for (row,) in cursor.fetchall()) + caplog.text
    for secret in ("-secret", "c29tZWJvZHk", "query secret", "query+secret", "query%20secret", signing.secret, digest):
        assert secret not in rows, secret
    (attempt,) = attempts(made["header"])
    assert attempt.request_headers["X-Key"] == attempt.request_headers["X-Sealed"] == transport.MASK
    assert attempt.request_headers["webhook-id"] == made["header"].message_id
    assert attempt.url.endswith(f"/header?open={transport.MASK}")


def test_what_is_configured_does_not_stand_in_for_what_is_signed(receiver: Receiver, here: Sending) -> None:
    secrets = SealedSecrets(
        signing=[signer()], headers={"Webhook-Id": "mine", "content-type": "text/x-own", "X-A": "1"}
    )
    delivery = make_delivery(make_endpoint(receiver.url, secrets))
    here.drain()
    (request,) = receiver.requests
    assert (request.id, request.headers["content-type"]) == (delivery.message_id, "text/x-own")


def test_an_ad_hoc_delivery_is_sent_as_it_was_asked_for(receiver: Receiver, here: Sending) -> None:
    from webhooks.outbox import AdHoc, create_ad_hoc

    workspace = make_endpoint(receiver.url).workspace_id
    further = {"headers": {"X-A": "1"}, "auth": BearerAuth(type="bearer", token="token")}
    (delivery,) = create_ad_hoc(
        [
            AdHoc(
                workspace_id=workspace,
                url=f"{receiver.url}x?y=1",
                method="PUT",
                body="a=1",
                content_type="text/x",
                **further,
            )
        ]  # type: ignore[arg-type]
    )
    here.drain()
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("PUT", "/x?y=1", b"a=1")
    assert (request.headers["x-a"], request.headers["content-type"]) == ("1", "text/x")
    assert request.headers["authorization"] == "Bearer token"
    assert "webhook-signature" not in request.headers
    assert request.id == delivery.message_id


# --- filter and transformation ----------------------------------------------------------------------------------------


def test_filter_and_transformation_come_before_the_first_attempt_and_all_attempts_send_the_same(
    receiver: Receiver, here: Sending
) -> None:
    receiver.answering(status(500), OK)
    endpoint = make_endpoint(
        receiver.url,
        filter="event.data.n !== 2",
        transform="return {body: {n: event.data.n, chance: Math.random()}, headers: {'X-N': 1}, method: 'PUT'}",
        max_concurrent=1,
    )
    first, second, third = make_deliveries(endpoint, 3, stream="s")
    test = make_deliveries(endpoint, 2, origin="test")[1]
    here.until(delivered=4, cancelled=1)
    by_id = {pk: [r for r in receiver.requests if r.id == pk] for pk in receiver.ids}
    assert second.message_id not in by_id
    once, again = by_id[first.message_id]
    assert once.body == again.body
    assert (again.method, again.headers["x-n"], again.headers["content-type"]) == ("PUT", "1", "application/json")
    assert json.loads(by_id[test.message_id][0].body)["n"] == 2
    second.refresh_from_db()
    assert (second.error, second.attempts_made) == ("Excluded by the endpoint's filter.", 0)
    first.refresh_from_db()
    assert json.loads(first.body)["n"] == 1
    assert third.message_id in by_id


def test_a_script_that_fails_fails_the_delivery_at_once(receiver: Receiver, here: Sending) -> None:
    delivery = make_delivery(make_endpoint(receiver.url, transform="return event.no.such"))
    other = make_delivery(make_endpoint(receiver.url, filter="(() => { while (true) {} })()"))
    here.drain()
    assert (statuses(), receiver.requests) == ({"failed": 2}, [])
    (attempt,) = attempts(delivery)
    assert (attempt.outcome, attempt.error_class, attempt.number) == ("failed", "script", 1)
    assert "TypeError" in attempt.error
    assert "longer than" in attempts(other)[0].error


def test_what_cannot_be_opened_or_parsed_fails_and_is_logged(here: Sending, receiver: Receiver) -> None:
    endpoint = make_endpoint(receiver.url)
    Endpoint.objects.filter(pk=endpoint.pk).update(sealed=b"no such thing")
    odd = make_endpoint(receiver.url, retry_policy={"preset": "no such preset"})
    receiver.answering(status(500))
    deliveries = [make_delivery(endpoint), make_delivery(odd)]
    here.drain()
    assert [attempts(each)[0].outcome for each in deliveries] == ["failed", "retry"]
    assert "CREDENTIAL_KEYS" in attempts(deliveries[0])[0].error

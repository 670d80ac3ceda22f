"""What is kept of a failed node: parameters, responses and causes, without secrets and bounded."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from executions.domain.errors import NodeError
from executions.domain.failure_causes import FailureCause
from executions.domain.known_secrets import secrets_in
from executions.domain.redaction import Redaction
from executions.nodes.deliveries import Message, request_of
from executions.nodes.exchanges import MAX_BODY, Exchanges, ReceivedData, SentData
from executions.nodes.item_outcomes import MAX_RESPONSES, ItemError, ItemOutcomes
from executions.nodes.postgres_records import server_error
from executions.nodes.responses import MAX_BODY as RESPONSE_BYTES
from executions.nodes.responses import response_of, shown_response
from executions.nodes.used_parameters import MAX_CHARACTERS, MAX_TEXT, UsedParameters

SECRET = "s3cr3t-of-a-credential"


def redaction(*secrets: str) -> Redaction:
    made = Redaction()
    made.add(lambda: secrets)
    return made


def used(values: dict[str, Any], *read: Any, item: int = 0) -> UsedParameters:
    made = UsedParameters()
    made.note(item, values, redaction(SECRET).extended(lambda: secrets_in(*read)))
    return made


def test_parameters_hide_secrets_by_name_by_value_and_by_what_they_were_read_from() -> None:
    values = {
        "url": "https://example.com/?v=read-from-the-item", "headers": {"Authorization": "Bearer abc", "X": SECRET},
        "credential": "My login", "auth": {"key": "x"}, "text": "a\0b",
    }  # fmt: skip
    data = used(values, {"login": {"access_token": "read-from-the-item"}}).data(failed=False)
    assert data is not None
    assert data["values"] == {
        "url": "https://example.com/?v=***", "headers": {"Authorization": "***", "X": "***"},
        "credential": "My login", "auth": "***", "text": "a\ufffdb",
    }  # fmt: skip
    assert (data["item"], data["truncated"]) == (0, False)


def test_large_parameters_are_cut_and_no_part_of_a_secret_is_left() -> None:
    before = "x" * (MAX_TEXT - 5)
    data = used({"a": before + SECRET, "b": ["y" * 1000] * 1000, "c": "never shown"}).data(failed=False)
    assert data is not None
    assert data["truncated"] is True
    assert data["values"]["a"] == before + "***"
    assert "c" not in data["values"]
    assert len(str(data["values"])) < 2 * MAX_CHARACTERS


def test_of_many_items_the_first_is_shown_or_the_first_that_failed() -> None:
    made = used({"n": 0})
    for item in (1, 2):
        made.note(item, {"n": item}, Redaction())
    assert (made.data(failed=False) or {})["item"] == 0
    assert (made.data(failed=True) or {})["item"] == 2
    made.item_failed(2)
    made.note(3, {"n": 3}, Redaction())
    made.item_failed(3)
    assert (made.data(failed=False) or {})["values"] == {"n": 2}
    made.begin()
    assert made.data(failed=True) is None


@pytest.mark.parametrize(
    ("body", "content_type", "shown", "truncated"),
    [
        (b'{"password": "hunter2", "n": 1}', "application/json", '{"password":"***","n":1}', False),
        ("größe".encode("latin-1"), "text/plain; charset=latin-1", "größe", False),
        (b"\0\1binary", "image/png", None, True),
        (b"", "text/plain", "", False),
        (b"z" * (RESPONSE_BYTES - 5) + SECRET.encode(), "text/plain", "z" * (RESPONSE_BYTES - 5) + "***", False),
        ("é".encode() * RESPONSE_BYTES, "text/plain", "é" * (RESPONSE_BYTES // 2), True),
    ],
)
def test_a_response_is_redacted_decoded_and_cut(body: bytes, content_type: str, shown: Any, truncated: bool) -> None:
    headers = {"content-type": content_type, "set-cookie": ["sid=abc"], "x": SECRET}
    for _ in range(2):
        response = shown_response(response_of(503, headers, body), redaction(SECRET))
        assert (response["status"], response["body"], response["truncated"]) == (503, shown, truncated)
    assert response["headers"] == {"content-type": content_type, "set-cookie": "***", "x": "***"}
    assert shown_response(response, redaction(SECRET)) == response


def test_the_responses_of_many_failed_items_have_a_limit_together() -> None:
    outcomes = ItemOutcomes("route")
    for item in range(100):
        outcomes.fail(item, NodeError("no", response=response_of(500, {}, b"x" * RESPONSE_BYTES)))
    errors = [made["error"] for made in outcomes.result([{}] * 100, "error").outputs["error"]]
    kept = [each["response"] for each in errors if each["response"]["body"] is not None]
    assert 0 < sum(len(each["body"]) for each in kept) <= MAX_RESPONSES
    assert errors[-1]["response"] == {"status": 500, "headers": {}, "body": None, "truncated": True}
    assert ItemError.of(ValueError("x")).as_data() == {"message": "ValueError: x", "type": "ValueError"}


def test_failures_have_one_cause_if_only_numbers_ids_and_texts_differ() -> None:
    def cause(message: str, **further: str) -> FailureCause | None:
        return FailureCause.of({"node": "ask", "type": "NodeError", "message": message} | further)

    one = cause("POST https://a.example/1 responded with status 503. 'Ann' has 12.5 points (item 3).")
    assert one == cause("POST https://a.example/22 responded with status 503. 'Bob' has 7 points (item 14).")
    assert one != cause("POST https://a.example/1 responded with status 500. 'Ann' has 12.5 points (item 3).")
    assert cause("no", node="other") != cause("no")
    assert FailureCause.of(None) is None


def test_statements_and_messages_are_recorded_as_json() -> None:
    exchanges = Exchanges()
    sent = SentData({"query": "SELECT %s", "parameters": [SECRET, "p" * 20_000]}, "d")
    exchanges.add(0, 1, sent, ReceivedData({"rows": 1, "items": [{"token": "abc", "n": 1}]}), redaction(SECRET))
    (entry,) = (exchanges.data() or {})["exchanges"]
    assert entry["request"]["parameters"] == ["***", "p" * MAX_BODY + "…"]
    assert entry["request"]["truncated"] is True
    assert entry["answer"] == {"rows": 1, "items": [{"token": "***", "n": 1}], "truncated": False}

    later = Exchanges()
    later.complete(exchanges.data() or {}, "digest", {0: ReceivedData({"status": "delivered"})})
    assert (later.data() or {})["exchanges"][0]["answer"] == {"status": "delivered", "truncated": False}
    assert later.request_digest() == "digest"


def test_the_digest_of_a_webhook_does_not_depend_on_the_run() -> None:
    def message(**further: Any) -> Message:
        return Message(**{"url": "https://example.com/?token=abc", "body": "{}", "idempotency_key": "k"} | further)

    first = request_of(message())
    assert request_of(message(idempotency_key="other")).digest == first.digest
    assert request_of(message(body="[]")).digest != first.digest
    assert "abc" not in str(first)


def test_what_a_database_says_is_kept_with_its_code() -> None:
    assert server_error(psycopg.OperationalError("lost")) is None
    response = server_error(psycopg.errors.UndefinedTable("no such table"))
    assert response is not None
    assert response["status"] == "42P01"

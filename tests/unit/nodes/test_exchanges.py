"""What is recorded of exchanges is redacted and bounded; equal requests have equal digests."""

from __future__ import annotations

import orjson
import pytest

from executions.domain.redaction import Redaction
from executions.nodes.exchanges import MAX_BODY, MAX_BYTES, Exchanges, Received, Sent
from executions.nodes.http.recording import _sent
from executions.nodes.http.sending import NodeRequest

SECRET = "s3cr3t-of-a-credential"


def redaction() -> Redaction:
    made = Redaction()
    made.add(lambda: [SECRET])
    return made


def sent(body: bytes | None = None, digest: str = "d", **headers: str) -> Sent:
    return Sent("POST", "https://example.com/", headers, body, digest)


def test_secrets_do_not_appear_by_name_or_by_value() -> None:
    exchanges = Exchanges()
    body = orjson.dumps({"password": "hunter2", "note": f"with {SECRET}", "n": 1})
    answer = Received(200, {"set-cookie": ["sid=abcdef"], "x": SECRET}, b"x" * (MAX_BODY - 5) + SECRET.encode())
    exchanges.add(0, 1, sent(body, Authorization="Bearer abc"), answer, redaction())
    exchanges.add(1, 1, sent(), f"refused: {SECRET} \0", redaction())
    text = orjson.dumps(exchanges.data()).decode()
    for secret in ("hunter2", SECRET, SECRET[:5], "abcdef", "Bearer abc", "\\u0000"):
        assert secret not in text
    data = exchanges.data()
    assert data is not None
    first, second = data["exchanges"]
    assert (first["answer"]["status"], first["answer"]["truncated"]) == (200, False)
    assert first["request"]["bytes"] == len(body)
    assert (second["item"], "answer" in second, second["error"][:8]) == (1, False, "refused:")


@pytest.mark.parametrize("body", [b"\xff\xfe\x00binary", b"a\0b"])
def test_bytes_are_counted_and_not_kept(body: bytes) -> None:
    exchanges = Exchanges()
    exchanges.add(0, 1, sent(body), Received(200, {}, "é".encode() * 20_000), Redaction())
    entry = exchanges.data()["exchanges"][0]  # type: ignore[index]
    assert (entry["request"]["body"], entry["request"]["bytes"]) == (None, len(body))
    assert (len(entry["answer"]["body"]), entry["answer"]["truncated"]) == (MAX_BODY, True)


def test_of_many_exchanges_some_are_kept_and_all_are_counted() -> None:
    exchanges = Exchanges()
    for attempt in (1, 2):
        for item in range(100):
            exchanges.add(item, attempt, sent(digest=str(item)), Received(200, {}, b"x" * 10_000), Redaction())
    data = exchanges.data()
    assert data is not None
    assert data["count"] == 100
    assert 10 < len(data["exchanges"]) < 20
    assert {entry["attempt"] for entry in data["exchanges"]} == {2}
    assert len(orjson.dumps(data)) < MAX_BYTES + 1_000
    for _ in "pages":
        exchanges.add(7, 3, sent(digest="page"), Received(200, {}, b""), Redaction())
    assert (exchanges.data() or {})["count"] == 99 + 5
    assert (Exchanges().data(), Exchanges().request_digest()) == (None, "")


def request(**changes: object) -> NodeRequest:
    return NodeRequest(**({"method": "POST", "url": "https://example.com/", "headers": {"A": "1"}, "query": {"q": 1.0},
                           "body": b"x"} | changes))  # type: ignore[arg-type]  # fmt: skip


def test_requests_are_equal_but_for_what_differs_in_each_run() -> None:
    same = request(headers={"a": "1", "Idempotency-Key": "execution/node/0"}, query={"q": 1})
    assert _sent(same).digest == _sent(request()).digest
    for changes in (
        {"method": "PUT"},
        {"url": "https://example.com/b"},
        {"body": b"y"},
        {"headers": {}},
        {"query": {}},
    ):
        assert _sent(request(**changes)).digest != _sent(request()).digest
    forms = [
        request(headers={"Content-Type": f"multipart/form-data; boundary={b * 32}"}, body=f"--{b * 32}--".encode())
        for b in "ab"
    ]
    assert _sent(forms[0]).digest == _sent(forms[1]).digest
    assert _sent(request(query={"token": "abc"})).url == "https://example.com/?token=•••"

"""What http_request sends for its parameters, and what it makes of answers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import orjson
import pytest

from executions.domain.errors import NodeError
from executions.nodes.http.sending import NodeRequest, redirected
from tests.telling import Telling, telling
from tests.unit.nodes.running import run


@pytest.fixture
def web(settings: Any) -> Iterator[Telling]:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    with telling() as server:
        server.tell("/")
        yield server


def call(web: Telling, path: str = "/", /, **parameters: Any) -> Any:
    return run("http_request", {}, url=web.url + path, **parameters).outputs["main"][0]


# --- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "lists", "sent"),
    [
        ({"active": True, "deleted": False, "none": None}, "repeat", "active=true&deleted=false"),
        ({"n": 2.0, "big": 2**63, "half": 0.5}, "repeat", "n=2&big=9223372036854775808&half=0.5"),
        ({"a": [1, True, "x y", None]}, "repeat", "a=1&a=true&a=x+y"),
        ({"a": [1, True]}, "brackets", "a%5B%5D=1&a%5B%5D=true"),
        ({"a": {"b": [1], "c": {"d": "é"}}}, "brackets", "a%5Bb%5D%5B%5D=1&a%5Bc%5D%5Bd%5D=%C3%A9"),
        ({"a": [{"b": 1}, {"b": 2}]}, "brackets", "a%5B0%5D%5Bb%5D=1&a%5B1%5D%5Bb%5D=2"),
        ({"a": [1, 2], "empty": []}, "comma", "a=1%2C2"),
        ({"filter": {"a": [1, "x"]}}, "repeat", "filter=%7B%22a%22%3A%5B1%2C%22x%22%5D%7D"),
    ],
)
def test_the_query_is_written_as_json_and_javascript_write_values(
    web: Telling, query: dict[str, Any], lists: str, sent: str
) -> None:
    call(web, query=query, lists=lists)
    assert web.asked[0][1] == f"/?{sent}"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a b", "/a%20b"),
        ("/é/%20/100%", "/%C3%A9/%20/100%25"),
        ("/q?name=Ann Müller&x=1", "/q?name=Ann%20M%C3%BCller&x=1"),
        ("/a\u00a0b", "/a%C2%A0b"),
        ("/a b\t \r\n", "/a%20b"),
        ("{{ '/a\\n' }}", "/a"),
    ],
)
def test_spaces_and_other_characters_in_urls_are_escaped(web: Telling, path: str, sent: str) -> None:
    call(web, path, fail_on_error_status=False)
    assert web.asked[0][1] == sent


def test_headers_may_be_numbers_and_those_that_are_null_are_left_out(web: Telling) -> None:
    call(web, headers={"X-Count": "{{ 1 + 1 }}", "X-Flag": "{{ true }}", "If-None-Match": "{{ null }}"})
    headers = web.asked[0][2]
    assert (headers["x-count"], headers["x-flag"], "if-none-match" in headers) == ("2", "true", False)


def test_an_object_is_a_form_if_the_content_type_says_so(web: Telling) -> None:
    body = {"a": 1, "b": "x y", "c": [True, None, "é"]}
    call(web, method="POST", headers={"content-type": "application/x-www-form-urlencoded"}, body=body)
    assert web.asked[0][3] == b"a=1&b=x+y&c=true&c=%C3%A9"
    assert web.asked[0][2]["content-type"] == "application/x-www-form-urlencoded"


def test_multipart_forms_have_fields_and_files(web: Telling) -> None:
    file = {"filename": 'ü".png', "content_type": "image/png", "base64": "iVBORw=="}
    call(web, method="POST", headers={"Content-Type": "multipart/form-data"}, body={"n": 1, "l": ["a", "b"], "f": file})
    _, _, headers, body = web.asked[0]
    parts = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body)
    got = [(p["content-disposition"], p.get_payload(decode=True)) for p in parts.get_payload()]  # type: ignore[union-attr]
    assert got[:3] == [
        ('form-data; name="n"', b"1"),
        ('form-data; name="l"', b"a"),
        ('form-data; name="l"', b"b"),
    ]
    assert got[3][1] == b"\x89PNG"
    assert b'name="f"; filename="\xc3\xbc%22.png"\r\nContent-Type: image/png\r\n' in body


@pytest.mark.parametrize(
    ("headers", "body", "sent"),
    [
        ({"Content-Type": "image/png"}, {"base64": "iVBORw==", "size": 4}, b"\x89PNG"),
        ({}, {"base64": "iVBORw=="}, b'{"base64":"iVBORw=="}'),
        ({"Content-Type": "application/vnd.api+json"}, {"a": None}, b'{"a":null}'),
        ({"Content-Type": "text/plain; charset=iso-8859-1"}, "é", b"\xe9"),
        ({}, "é", "é".encode()),
        ({}, [], b"[]"),
    ],
)
def test_other_bodies_are_bytes_text_or_json(web: Telling, headers: Any, body: Any, sent: bytes) -> None:
    call(web, method="PUT", headers=headers, body=body)
    assert web.asked[0][3] == sent


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("image/png", {"base64": "no!"}, r"parameters\.body\.base64: the text is not Base64"),
        ("multipart/form-data", {"f": {"base64": "", "content_type": "x\r\ny"}}, r"parameters\.body\.f\.content_type"),
        ("text/plain; charset=latin1", "€", "does not have the character '€'"),
    ],
)
def test_bodies_that_cannot_be_sent_are_errors_that_name_the_field(
    web: Telling, content_type: str, body: Any, message: str
) -> None:
    with pytest.raises(NodeError, match=message):
        call(web, method="POST", headers={"Content-Type": content_type}, body=body)
    assert web.asked == []


# --- what comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "raw", "body"),
    [
        ("text/html; charset=ISO-8859-1", "Região grátis".encode("latin-1"), "Região grátis"),
        ("text/plain", "Região €".encode("cp1252"), "Região €"),
        ("text/plain; charset=utf-8", b"a\xe9b", "aéb"),
        ("text/csv; charset=Shift_JIS", "日本".encode("shift_jis"), "日本"),
        ("text/html", '<meta charset="windows-1251">Ж'.encode("cp1251"), '<meta charset="windows-1251">Ж'),
        ("application/xml", '<?xml version="1.0" encoding="ISO-8859-2"?><a>ł</a>'.encode("iso-8859-2"), "ł</a>"),
        ("text/plain", "\ufeffé".encode("utf-16-le"), "é"),
        ("text/plain; charset=unicode_escape", rb"\u0041", r"\u0041"),
        ("application/json", b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        ("application/json; charset=iso-8859-1", '{"n":"é"}'.encode("latin-1"), {"n": "é"}),
        ("application/json", '{"n":"é"}'.encode("latin-1"), {"n": "é"}),
        ("application/json", '{"n":"é"}'.encode("utf-16-le"), {"n": "é"}),
        ("application/json", b'{"a"', '{"a"'),
        ("application/json", b"", ""),
        ("text/plain", b'{"a":1}', '{"a":1}'),
        ("application/x-ndjson", b'{"a":1}\n\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
        ("application/json-seq", b'\x1e{"a":\n1}\n\x1e2\n', [{"a": 1}, 2]),
        ("application/x-ndjson", b'{"a":1}\nnone', '{"a":1}\nnone'),
        ("image/png", b"\x89PNG\r\n\x1a\n\xff", {"base64": "iVBORw0KGgr/", "size": 9}),
        ("application/pdf", b"%PDF-1", {"base64": "JVBERi0x", "size": 6}),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("application/octet-stream", b"text", "text"),
        ("application/octet-stream", b"\x00\x01", None),
    ],
)
def test_answers_are_read_as_they_are_meant(web: Telling, content_type: str, raw: bytes, body: Any) -> None:
    web.tell("/x", raw, f"Content-Type: {content_type}")
    got = call(web, "/x")["body"]
    if body is None:
        assert got == {"base64": "AAE=", "size": 2}
    elif isinstance(got, str):
        assert got.endswith(body)
    else:
        assert got == body


def test_repeated_headers_are_kept_apart(web: Telling) -> None:
    cookie = "a=1; Expires=Wed, 01 Jan 2031 10:00:00 GMT"
    web.tell("/x", b"", f"Set-Cookie: {cookie}", "Set-Cookie: b=2", "Link: <a>", "link: <b>", "X-Name: \xc3\xa9")
    web.tell("/y", b"", "Set-Cookie: b=2")
    headers = call(web, "/x")["headers"]
    assert headers["set-cookie"] == [cookie, "b=2"]
    assert (headers["link"], headers["content-length"]) == (["<a>", "<b>"], "0")
    assert call(web, "/y")["headers"]["set-cookie"] == ["b=2"]


def test_large_answers_are_read_like_small_ones(web: Telling) -> None:
    text = "é" * 70_000
    web.tell("/x", text.encode("latin-1"), "Content-Type: text/plain; charset=latin1")
    web.tell("/y", gzip.compress(b'{"a": 1}'), "Content-Type: application/json", "Content-Encoding: gzip")
    result = run("http_request", {}, url=web.url + "/x")
    assert orjson.loads(orjson.dumps(list(result.outputs["main"])))[0]["body"] == text
    assert call(web, "/y")["body"] == {"a": 1}


@pytest.mark.parametrize(("value", "seconds"), [("3", 3.0), ("Wed, 01 Jan 2031 10:00:00 GMT", None), ("soon", 0)])
def test_an_error_says_when_to_try_again(web: Telling, value: str, seconds: float | None) -> None:
    web.tell("/x", b"", f"Retry-After: {value}", status=429)
    with pytest.raises(NodeError) as raised:
        call(web, "/x")
    assert raised.value.retryable
    assert raised.value.retry_after == (seconds or None) or (seconds is None and raised.value.retry_after > 1e6)


# --- redirects -------------------------------------------------------------------------------------------------------


def redirect(web: Telling, path: str, target: str, status: int = 302) -> None:
    web.tell(path, b"moved", f"Location: {target}", status=status)


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [("GET", 301, "GET"), ("HEAD", 303, "HEAD"), ("POST", 302, "GET"), ("PUT", 303, "GET"), ("PUT", 308, "PUT")],
)
def test_redirects_are_followed_as_browsers_do(web: Telling, method: str, status: int, then: str) -> None:
    redirect(web, "/old", "/new path?a=1", status)
    web.tell("/new%20path", b"" if method == "HEAD" else b"new", "Content-Type: text/plain")
    body = {"a": 1} if method in {"POST", "PUT"} else None
    item = call(web, "/old", method=method, body=body, query={"q": 1})
    assert (item["status"], item["body"]) == (200, "" if method == "HEAD" else "new")
    asked, target, headers, sent = web.asked[1]
    assert (asked, target) == (then, "/new%20path?a=1")
    assert ("content-type" in headers, sent != b"") == ((then == "PUT"),) * 2


def test_a_redirect_to_another_host_loses_credentials_and_takes_no_body_along(web: Telling) -> None:
    with telling() as other:
        other.tell("/new", b"ok")
        redirect(web, "/old", other.url + "/new", 307)
        secret = {"Authorization": "s", "X-Api-Key": "s", "Cookie": "s", "Accept": "text/x"}
        assert call(web, "/old", headers=secret, query={"key": 1})["status"] == 200
        assert {"authorization", "x-api-key", "cookie"} <= set(web.asked[0][2])
        assert (other.asked[0][1], other.asked[0][2]["accept"]) == ("/new", "text/x")
        assert not {"authorization", "x-api-key", "cookie"} & set(other.asked[0][2])
        with pytest.raises(NodeError, match="would send the body to another host"):
            call(web, "/old", method="POST", body="x")
        assert len(other.asked) == 1


def test_what_the_same_host_is() -> None:
    before = NodeRequest("GET", "https://a.example/x", {"Authorization": "s", "Accept": "a"}, {})
    for target, trusted in (
        ("https://A.example/y", True),
        ("https://b.example/", False),
        ("https://a.example:8443/", False),
        ("http://a.example/", False),
    ):
        after = redirected(before, 302, target)
        assert (after.trusted, "Authorization" in after.headers) == (trusted, trusted)
        assert not trusted or not redirected(redirected(after, 302, "https://b.example/"), 302, target).trusted
    assert redirected(NodeRequest("GET", "http://a.example/", {}, {}), 301, "https://a.example/").trusted


def test_every_hop_is_guarded(web: Telling, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    redirect(web, "/old", "http://127.0.0.3/?token=s3cret")
    with pytest.raises(NodeError, match=r"the redirect to http://127\.0\.0\.3/.* is refused") as raised:
        call(web, "/old")
    assert "s3cret" not in str(raised.value)
    redirect(web, "/file", "file:///etc/passwd")
    with pytest.raises(NodeError, match="Only http and https"):
        call(web, "/file")


def test_a_redirect_is_never_silently_a_success(web: Telling) -> None:
    redirect(web, "/old", "/old")
    with pytest.raises(NodeError, match="more than 10 redirects"):
        call(web, "/old")
    with pytest.raises(NodeError, match=r"responded with a redirect \(302\) to .*/old"):
        call(web, "/old", redirects="error")
    assert call(web, "/old", redirects="stop")["status"] == 302
    web.tell("/nowhere", b"", status=300)
    with pytest.raises(NodeError, match="status 300"):
        call(web, "/nowhere")
    web.tell("/same", b"", status=304)
    assert call(web, "/same")["status"] == 304


def test_batches_pause_between_requests_and_end_when_cancelled(web: Telling) -> None:
    result = run("http_request", {}, {}, {}, url=web.url + "/", batch={"size": 2, "interval_ms": 1})
    assert len(result.outputs["main"]) == 3
    assert result.lineage == {"main": "same"}

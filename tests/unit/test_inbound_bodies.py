"""Bodies of requests to /hooks/: what each kind becomes, and that nothing is an error of ours."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhooks.inbound.bodies import MAX_FIELDS, BadBody, read_body, read_query

MULTIPART = "multipart/form-data; boundary=b"


def part(name: str, content: bytes, filename: str = "", kind: str = "application/octet-stream") -> bytes:
    named = f'; filename="{filename}"\r\nContent-Type: {kind}' if filename else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


@pytest.mark.parametrize(
    ("kind", "raw", "body"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/vnd.github+json; charset=utf-8", b"[]", []),
        ("application/cloudevents+json", b"  ", None),
        ("application/json", b"", None),
        ("application/json", rb'{"a\u0000": "b\u0000"}', {"a�": "b�"}),
        ("application/x-www-form-urlencoded", b"a=1&b=2&b=3&c=", {"a": "1", "b": ["2", "3"], "c": ""}),
        ("application/x-www-form-urlencoded", b"payload=%7B%7D&x=%00%ff", {"payload": "{}", "x": "�ÿ"}),
        ("application/x-www-form-urlencoded", "a=%E9&b=%C3%A9&c=é".encode("latin-1"), {"a": "é", "b": "é", "c": "é"}),
        ("application/x-www-form-urlencoded; charset=windows-1252", b"name=Andr%E9&p=%80", {"name": "André", "p": "€"}),
        ("application/x-www-form-urlencoded; charset=Shift_JIS", b"a=%82%A0", {"a": "あ"}),
        ("application/json; charset=iso-8859-1", '{"n": "é"}'.encode("latin-1"), {"n": "é"}),
        ("application/json", '{"n": "é"}'.encode("utf-16-le"), {"n": "é"}),
        ("application/json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("application/x-ndjson", b'{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("application/json-seq", b'\x1e{"a":\n1}\n\x1e[2]\n', [{"a": 1}, [2]]),
        ("application/jsonl", b"", []),
        ("text/csv", "a;b\n1;ä\n".encode("cp1252"), "a;b\n1;ä\n"),
        ("text/plain; charset=latin-1", "ä".encode("latin-1"), "ä"),
        ("text/plain; charset=nonsense", b"a", "a"),
        ("text/plain; charset=hex", b"6", "6"),
        ("application/xml", b"<a/>", "<a/>"),
        ("", b"text", "text"),
        ("image/png", b"text", {"base64": "dGV4dA==", "size": 4}),
        ("application/octet-stream", b"\xff\xfe\x00", {"base64": "//4A", "size": 3}),
        ("image/png", b"a\x00b", {"base64": "YQBi", "size": 3}),
    ],
)
def test_a_body_becomes_what_its_type_says(kind: str, raw: bytes, body: Any) -> None:
    assert read_body(kind, raw) == body


def test_files_in_a_form_are_described_and_handed_on() -> None:
    large = b"x" * 1_200_000
    raw = part("title", "Grüße".encode()) + part("f", b"\x00\x01", "a.bin") + part("g", large, "b.txt", "text/plain")
    found = read_body(MULTIPART, raw + part("f", b"2", "c.bin") + b"--b--\r\n")
    assert found["title"] == "Grüße"
    assert [(file["filename"], file["size"]) for file in found["f"]] == [("a.bin", 2), ("c.bin", 1)]
    assert base64.b64decode(found["f"][0]["base64"]) == b"\x00\x01"
    assert found["f"][0]["content_type"] == "application/octet-stream"
    assert (found["g"]["size"], base64.b64decode(found["g"]["base64"])) == (len(large), large)


@pytest.mark.parametrize(
    ("charset", "raw"), [("", "Grüße".encode("cp1252")), ("shift_jis", "日本".encode("shift_jis"))]
)
def test_fields_of_forms_are_decoded_by_the_charset(charset: str, raw: bytes) -> None:
    kind = f"{MULTIPART}; charset={charset}" if charset else MULTIPART
    assert read_body(kind, part("a", raw) + b"--b--\r\n") == {"a": raw.decode(charset or "cp1252")}


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        ("application/json", b"{", "not JSON"),
        ("application/json", b"\xff", "not JSON"),
        ("application/x-ndjson", b'1\n\n{"a":x}', r"The body is not JSON: .*: line 3, column 6\.$"),
        ("application/x-ndjson", b"1\n" + b"[" * 300 + b"]" * 300, "Line 2: The JSON is nested more than 200"),
        ("application/json-seq", b"\x1e1\n\x1e{", "Record 2: The body is not JSON"),
        ("application/json", b"[" * 300 + b"]" * 300, "nested more than 200"),
        ("application/json", b'{"a":' * 230 + b"1" + b"}" * 230, "nested more than 200"),
        ("application/json", b"[" * 100_000, "not JSON"),
        ("application/x-www-form-urlencoded", b"a=1&" * (MAX_FIELDS + 1), "more than 1000"),
        ("multipart/form-data", b"", "cannot be read"),
        ("multipart/form-data; boundary=ä", b"", "cannot be read"),
        (MULTIPART, part("a", b"1") * (MAX_FIELDS + 1) + b"--b--", "cannot be read"),
    ],
)
def test_what_is_not_what_it_says_is_told(kind: str, raw: bytes, said: str) -> None:
    with pytest.raises(BadBody, match=said):
        read_body(kind, raw)


KINDS = st.one_of(
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-16", MULTIPART]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")),
    st.text(st.sampled_from("multipart/form-data; boundary=\"=b charset*0'%")),
)
PARTS = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"Content-Disposition: form-data; name=", b'"a"', b"; filename=",
             b"Content-Transfer-Encoding: base64", b"Content-Type: text/plain; charset=", b"filename*=utf-8''%", b";"]
        ),
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


def stored(value: Any) -> bool:
    """Return whether PostgreSQL can hold the value as JSON."""
    if isinstance(value, dict):
        return all("\0" not in name and stored(each) for name, each in value.items())
    return all(map(stored, value)) if isinstance(value, list) else "\0" not in str(value)


@given(KINDS, PARTS)
@example("application/json", b'"\\ud800"')
@example("text/plain; charset*=x", b"")
def test_whatever_comes_is_a_value_that_can_be_stored_or_a_bad_body(kind: str, raw: bytes) -> None:
    try:
        value = read_body(kind, raw)
    except BadBody:
        return
    assert stored(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.floats(allow_nan=False),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_json_comes_as_it_was_sent_but_for_nul(value: Any) -> None:
    raw = orjson.dumps(value) if not _has_surrogates(value) else b"null"
    found = read_body("application/json", raw)
    assert stored(found)
    if b"\\u0000" not in raw:
        assert found == orjson.loads(raw)


def _has_surrogates(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


@given(st.binary(max_size=200))
def test_any_query_is_read(raw: bytes) -> None:
    assert stored(read_query(raw))

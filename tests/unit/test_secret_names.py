from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue.event_types import masked_payload, payload_text
from workflow_platform.core.secrets.secret_names import MASK, is_secret, masked, masked_text

PLANTED = "pl4nted-S3cret"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "apikey", "api_key", "apiKey",
        "X-Auth-Token", "access_token", "accessToken", "client_secret", "password", "passwd", "PASSPHRASE", "pwd",
        "private_key", "sessionid", "X-Hub-Signature-256", "credentials", "jwt", "otp", "pin", "auth",
    ],
)  # fmt: skip
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret(name)
    assert masked({"a": [{name: PLANTED}]}) == {"a": [{name: MASK}]}
    assert masked({name: {"deep": [PLANTED]}}) == {name: MASK}
    assert masked([{"name": name, "value": PLANTED}]) == [{"name": name, "value": MASK}]


@pytest.mark.parametrize("name", ["author", "shipping", "keyword", "monkey", "passenger", "secretary", "option", "id"])
def test_other_names_are_left_alone(name: str) -> None:
    assert not is_secret(name)
    assert masked({name: PLANTED}) == {name: PLANTED}


def test_what_is_no_secret_for_its_kind_stays() -> None:
    value = {"token": None, "password": "", "has_password": True, "total_tokens": 42, "sessions": 3}
    assert masked(value) == value
    assert masked({"pin": 4242, "password": 123456}) == {"pin": MASK, "password": MASK}


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://example.com/a?x=1&token={PLANTED}&y=2 answered 500.",
        f"https://ada:{PLANTED}@example.com/",
        f"Authorization: {PLANTED}",
        f"POST / HTTP/1.1\r\nX-Api-Key: {PLANTED}\r\nHost: a",
        f"Bearer {PLANTED}",
        f"basic {PLANTED}=",
        f'{{"user": "ada", "password": "{PLANTED}"}}',
        f'{{"user": "ada", "password": "{PLANTED}',
        f'said "api_key": "{PLANTED}" and more',
        f'said {{\\"api_key\\":\\"{PLANTED}\\"}}',
        f'no: {{"name":"X-Api-Key","value":"{PLANTED}"}}',
        f'no: {{"value": "{PLANTED}", "header": "Authorization"}}',
        f'no: {{\\"name\\":\\"X-Api-Key\\",\\"value\\":\\"{PLANTED}\\"}}',
        f'no: {{\\"value\\": \\"{PLANTED}\\", \\"key\\": \\"password\\"}}',
        f"user=ada&password={PLANTED}",
        f"a%5Fpassword={PLANTED}",
        f"{{'client_secret': '{PLANTED}'}}",
    ],
)
def test_secrets_are_taken_out_of_texts(text: str) -> None:
    found = masked_text(text)
    assert PLANTED not in found
    assert MASK in found
    assert masked_text(found) == found
    assert PLANTED not in json.dumps(masked([{"text": text}]))


@pytest.mark.parametrize(
    "text", ["Basic authentication failed.", "The token has expired.", "parameters.secret: hmac needs a key", "a = b"]
)
def test_words_about_secrets_stay(text: str) -> None:
    assert masked_text(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_value_can_be_masked_and_once_is_enough(value: Any) -> None:
    assert masked(masked(value)) == masked(value) or value != value or "nan" in repr(value)


def test_a_deep_value_does_not_end_the_stack() -> None:
    value: Any = {"password": PLANTED}
    for _ in range(500):
        value = [value]
    assert PLANTED not in repr(masked(value))


@pytest.mark.parametrize("piece", ["a=", '"', "x-", "://", '"a":"', "x-key", '\\"', "Basic ", "{", "'a':'", "password"])
def test_no_text_is_slow_to_look_through(piece: str) -> None:
    # A pattern that tried every way to match would not end within the suite's own limit, let alone find the secret.
    text = "token " + piece * (100_000 // len(piece)) + f"\nAuthorization: {PLANTED}"
    assert PLANTED not in masked_text(text)


COMPLETED = {
    "node": "n", "name": "N", "node_type": "set", "run_index": 0, "attempt": 1, "duration_ms": 1.0, "cpu_ms": None,
    "memory_bytes": None, "output_items": 1, "output_bytes": 2, "outputs": {"main": 1}, "from_cache": False,
    "preview": [{"headers": {"x-api-key": PLANTED}, "query": {"token": PLANTED}, "body": {"user": "ada"}}],
}  # fmt: skip
ERROR = {"type": "NodeError", "message": f"https://example.com/?token={PLANTED} answered 500."}
FAILED = {"node": "n", "name": "N", "node_type": "set", "run_index": 0, "attempt": 1, "duration_ms": 1.0}


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("execution.node_completed", COMPLETED),
        ("execution.node_failed", FAILED | {"error": ERROR, "on_error": "stop"}),
        ("execution.log", {"level": "info", "message": f'got {{"password": "{PLANTED}"}}'}),
    ],
)
def test_events_are_written_with_secrets_masked_and_older_ones_leave_with_them_masked(
    type_: str, data: dict[str, Any]
) -> None:
    written = payload_text(type_, data)
    assert PLANTED not in written
    assert json.loads(masked_payload(type_, json.dumps(data))) == {**data, **_shown(json.loads(written), data)}
    assert masked_payload(type_, written) == written


def _shown(written: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: written[name] if name != "error" else data[name] | {"message": written[name]["message"]} for name in data
    }

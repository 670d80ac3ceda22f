from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.redaction import MASK, Redaction

SECRET = 'pa ss/w"örd<&>%\\'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET, quote(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower(), quote_plus(SECRET),
        json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False), html.escape(SECRET),
    ],
)  # fmt: skip
def test_a_secret_is_found_in_every_spelling(spelled: str) -> None:
    redaction = Redaction()
    redaction.add(lambda: [SECRET])
    assert redaction.text(f"before {spelled} after") in {"before *** after", 'before "***" after'}


def test_it_is_taken_out_of_values_keys_and_numbers() -> None:
    redaction = Redaction()
    redaction.add(lambda: ["123456", "secret-key"])
    found = redaction.value({"secret-key": [{"n": 123456, "f": 123456.5, "t": True, "none": None}, "a 123456 b"]})
    assert found == {"***": [{"n": "***", "f": "***", "t": True, "none": None}, "a *** b"]}


def test_a_longer_secret_is_replaced_before_one_that_it_holds() -> None:
    redaction = Redaction()
    redaction.add(lambda: ["secret", "secret-and-more"])
    assert redaction.text("secret-and-more, secret") == "***, ***"


def test_a_short_secret_tears_nothing_up() -> None:
    redaction = Redaction()
    redaction.add(lambda: ["abc"])
    assert redaction.value({"abc": "abc"}) == {"abc": "abc"}


def test_a_token_that_came_later_is_kept_out_too() -> None:
    tokens: list[str] = []
    redaction = Redaction()
    redaction.add(lambda: tokens)
    assert redaction.text("a-token") == "a-token"
    tokens.append("a-token")
    assert redaction.text("a-token") == "***"


@given(st.binary(max_size=40), st.binary(max_size=40), st.text(min_size=6, max_size=40), st.booleans(), st.booleans())
def test_a_secret_is_found_in_base64_of_whatever_it_is_a_part_of(
    before: bytes, after: bytes, secret: str, url_safe: bool, padded: bool
) -> None:
    redaction = Redaction()
    redaction.add(lambda: [secret])
    data = secret.encode()
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    text = encode(before + data + after).decode()
    # The characters that depend on bytes of the secret alone.
    core = text[-(-len(before) * 8 // 6) : (len(before) + len(data)) * 8 // 6]
    text = text if padded else text.rstrip("=")
    for said in (text, f"Basic {text}, and more", quote(text, safe="")):
        found = redaction.text(said)
        assert MASK in found
        assert core not in found
        assert quote(core, safe="") not in found
    assert redaction.value({"a": [text]}) == {"a": [redaction.text(text)]}


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET.encode().hex(), SECRET.encode().hex().upper(), "".join(f"%{byte:02x}" for byte in SECRET.encode()),
        json.dumps(json.dumps(SECRET)), quote(base64.b64encode(f"ada:{SECRET}".encode()).decode(), safe=""),
    ],
)  # fmt: skip
def test_a_secret_is_found_in_hex_in_json_within_json_and_percent_encoded(spelled: str) -> None:
    redaction = Redaction()
    redaction.add(lambda: [SECRET])
    assert MASK in redaction.text(spelled)
    assert SECRET not in redaction.text(spelled)
    assert redaction.value([spelled]) == [redaction.text(spelled)]


def test_values_that_json_cannot_hold_are_redacted_too() -> None:
    redaction = Redaction()
    redaction.add(lambda: ["a-secret-key"])
    assert redaction.value([2**80, "x a-secret-key", "\ud800"]) == [2**80, "x ***", "\ud800"]

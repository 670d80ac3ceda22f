from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

import pytest

from executions.redaction import Redaction

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

"""Causes of failures: what is left of an error when numbers, ids and quoted texts are taken out."""

from __future__ import annotations

import pytest

from executions.domain.causes import FailureCause, cause_of, normalised


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "GET https://shop.example/orders/815?page=2 answered 503.",
            "GET https://shop.example/orders/<n>?page=<n> answered <n>.",
        ),
        ("No order 0198c1de-7f3a-7b1c-8a52-0123456789ab.", "No order <id>."),
        ("The field 'price' of \"order 7\" is missing, isn't it", "The field <text> of <text> is missing, isn't it"),
        ("Key 5f2a9c01de is unknown", "Key <id> is unknown"),
        ("decade facade", "decade facade"),
        ("token sk_live_4eC39HqLyjWDarjtT1zdp7dc expired", "token <id> expired"),
        ("mail to jo.doe+x@shop.example.com failed", "mail to <email> failed"),
        ("at 12:30:05 took 1.5 s\n\n  twice", "at <n> took <n> s twice"),
        ("", ""),
    ],
)
def test_a_message_loses_what_differs_between_failures(message: str, expected: str) -> None:
    assert normalised(message) == expected


def test_long_and_hostile_messages_are_bounded() -> None:
    for message in ("'" * 100_000, "a@" * 50_000, "0a" * 50_000, '"' + "x" * 100_000, "1." * 50_000):
        assert len(normalised(message)) <= 500


def test_a_cause_belongs_to_a_node_of_a_workflow() -> None:
    error = {"node": "fetch", "type": "NodeError", "message": "No answer after 30 s."}
    cause = cause_of(error)
    assert cause == FailureCause("fetch", "NodeError", "No answer after <n> s.")
    assert cause.digest("one") == cause_of(error | {"message": "No answer after 7 s."}).digest("one")
    others = [cause.digest("two"), cause_of(error | {"node": "send"}).digest("one"), cause_of(None).digest("one")]
    assert len({cause.digest("one"), *others}) == 4
    assert len(cause.digest("one")) == 16

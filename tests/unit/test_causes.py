"""Causes of failures: what is left of an error when numbers, ids and quoted texts are taken out."""

from __future__ import annotations

import pytest

from executions.domain.failure_causes import FailureCause

ERROR = {"node": "fetch", "type": "NodeError", "message": "No answer after 30 s."}


def normalised(message: str) -> str:
    cause = FailureCause.of({"message": message})
    assert cause is not None
    return cause.message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No order 0198c1de-7f3a-7b1c-8a52-0123456789ab.", "No order …."),
        (
            "The field 'price' of \"order 7\" is missing, isn't it, didn't it",
            "The field … of … is missing, isn't it, didn't it",
        ),
        ("Key 5f2a9c01de is unknown", "Key … is unknown"),
        ("decade facade", "decade facade"),
        ("token sk_live_4eC39HqLyjWDarjtT1zdp7dc expired", "token … expired"),
        ("mail to jo.doe+x@shop.example.com failed", "mail to … failed"),
        ("", ""),
    ],
)
def test_a_message_loses_what_differs_between_failures(message: str, expected: str) -> None:
    assert normalised(message) == expected


def test_long_and_hostile_messages_are_bounded() -> None:
    for message in ("'" * 100_000, "a@" * 50_000, "0a" * 50_000, '"' + "x" * 100_000, "1." * 50_000, "a1_" * 50_000):
        assert len(normalised(message)) <= 300


def test_a_cause_belongs_to_a_node_of_a_workflow() -> None:
    cause = FailureCause.of_end(ERROR)
    assert cause == FailureCause("fetch", "NodeError", "No answer after … s.")
    assert cause.id_in("one") == FailureCause.of_end(ERROR | {"message": "No answer after 7 s."}).id_in("one")
    others = [FailureCause.of_end(error).id_in("one") for error in (ERROR | {"node": "send"}, None)]
    assert len({cause.id_in("one"), cause.id_in("two"), *others}) == 4
    assert len(cause.id_in("one")) == 16

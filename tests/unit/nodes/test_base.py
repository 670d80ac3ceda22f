"""What every node type has from its base: secrets that were used do not leave with what it gives or raises."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from executions.domain.errors import NodeError

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from tests.unit.nodes.running import context_of

SECRET = "correct-horse-battery"


class Held:
    def secrets(self) -> list[str]:
        return [SECRET]

    def apply(self, url: str, headers: dict[str, str], query: dict[str, Any]) -> Any:
        raise AssertionError("Nothing is signed in here.")

    def renew(self) -> bool:
        return False


class Telling(NodeType[Parameters]):
    type = "telling"
    label = description = icon = "x"
    category = "data"

    def run(self, context: NodeContext[Any]) -> NodeResult:
        context.credential("API")
        context.log("info", f"it is {SECRET}")
        return getattr(self, context.node.parameters["how"])()  # type: ignore[no-any-return]

    def gives(self) -> NodeResult:
        return NodeResult({"main": [{"it": [SECRET]}]})

    def fails(self) -> NodeResult:
        raise NodeError(f"It is {SECRET}.", retryable=True)

    def breaks(self) -> NodeResult:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise KeyError("another") from error


def perform(how: str, said: list[str]) -> NodeResult:
    context = context_of(
        Telling(),
        {"main": [{}]},
        {"how": how},
        find_credential=lambda reference, cancelled: Held(),
        log=lambda level, message: said.append(message),
    )
    return Telling().perform(context)


def test_what_it_gives_and_says_is_redacted() -> None:
    said: list[str] = []
    assert perform("gives", said).outputs == {"main": [{"it": ["***"]}]}
    assert said == ["it is ***"]


def test_an_error_stays_what_it_is_without_the_secret() -> None:
    with pytest.raises(NodeError, match=r"It is \*\*\*\.") as raised:
        perform("fails", [])
    assert raised.value.retryable


def test_a_bug_is_logged_without_the_secret_that_its_cause_holds(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError) as raised:
        perform("breaks", [])
    logging.getLogger("tests").error("raised", exc_info=raised.value)
    assert SECRET not in caplog.text
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert "KeyError" in str(raised.value)
    assert "def breaks" not in caplog.text
    assert "in breaks" in caplog.text  # where it was is still told

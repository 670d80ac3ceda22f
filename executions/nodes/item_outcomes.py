"""What came of each item of a node run, over all its attempts. Pure: also for sandbox processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from executions.domain.errors import NodeError
from executions.domain.graph import ERROR_OUTPUT, OnError, Retry
from executions.domain.items import Item, Items, NotStorable, has_nul
from executions.domain.lineage import Lineage, Origin, compact
from workflow_platform.core.secrets.secret_names import masked_text

MAX_MESSAGE = 5000
MAX_RESPONSES = 1_000_000
"""The bytes of responses that the failed items of one node run keep; further ones have no body."""

Outputs = Mapping[str, Items]


@dataclass(frozen=True, slots=True)
class ItemError:
    """The error of an item that failed for good: no further attempt follows."""

    message: str
    type: str = "NodeError"
    retryable: bool = False
    response: dict[str, Any] | None = None
    """What the called system answered, redacted and bounded: `{status, headers, body, truncated}`."""
    expression: dict[str, Any] | None = None
    """The expression that failed: `{parameter, source, item, line, column}`, the last two if they are known."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ItemError:
        """Return an error from the form in which a node run's row stores it."""
        known = {name: data.get(name) for name in ("response", "expression")}
        return cls(str(data.get("message")), str(data.get("type")), bool(data.get("retryable")), **known)

    @classmethod
    def of(cls, error: Exception) -> ItemError:
        """Return an error in the form in which it is stored and passed on."""
        if not isinstance(error, NodeError):
            kind = type(error).__name__
            return cls(masked_text(f"{kind}: {error}"[:MAX_MESSAGE]), kind)
        place = error.expression.as_data() if error.expression else None
        if place is not None:
            place["source"] = masked_text(place["source"])
        message = masked_text(str(error)[:MAX_MESSAGE])
        return cls(message, type(error).__name__, error.retryable, error.response, place)

    def as_data(self) -> dict[str, Any]:
        """Return what the field `error` of an item holds."""
        data: dict[str, Any] = {"message": self.message, "type": self.type}
        for name in ("response", "expression"):
            if (value := getattr(self, name)) is not None:
                data[name] = value
        return data

    @property
    def response_size(self) -> int:
        """Return about how many bytes the response has."""
        return 0 if self.response is None else 1000 + len(self.response["body"] or "")

    def without_body(self) -> ItemError:
        """Return the same error without the body of the response."""
        if self.response is None or self.response["body"] is None:
            return self
        return replace(self, response=self.response | {"body": None, "truncated": True})


class OutcomeKeeper(Protocol):
    """Keeps outcomes outside of this process, so that a crash does not repeat what was done."""

    def keep(self, index: int, outcome: Outputs | ItemError) -> None:
        """Take an outcome. It is not kept before `commit` or `flush`. Raises NodeError if it cannot be kept."""

    def commit(self) -> None:
        """Return when all outcomes are kept."""

    def flush(self) -> None:
        """Have all outcomes kept before what the execution writes next."""

    def report(self, done: int, failed: int) -> None:
        """Show the progress."""


@dataclass(slots=True)
class OutcomesByItem:
    """The result of a node run, made of the outcomes of its items."""

    outputs: dict[str, list[Item]]
    lineage: Lineage
    succeeded: int
    failed: int
    error: ItemError | None
    """The error of the first item that failed."""


class ItemOutcomes:
    """The outcomes of the items of one node run: outputs, or an error for good. They are kept over its attempts."""

    def __init__(self, on_error: OnError = "stop", retry: Retry | None = None) -> None:
        self._on_error, self._retry, self.attempt = on_error, retry or Retry(), 1
        self._known: dict[int, Outputs | ItemError] = {}
        self._failed = self._response_bytes = 0
        self._to_retry: dict[int, NodeError] = {}
        """Items of this attempt for which another attempt follows."""
        self.keeper: OutcomeKeeper | None = None
        self.has_kept = False
        """Some outcomes are stored, or on the way to be."""
        self.has_failed_unexpectedly = False
        self.all_or_nothing = False
        """Whether an item is done only when all are."""

    def __contains__(self, index: int) -> bool:
        return index in self._known

    def begin(self, attempt: int, keeper: OutcomeKeeper | None = None) -> None:
        """Begin an attempt."""
        self.attempt, self.keeper, self._to_retry = attempt, keeper, {}

    def follow(self, on_error: OnError, retry: Retry) -> None:
        """Go on by another definition of the node; what came of the items so far stays."""
        self._on_error, self._retry = on_error, retry

    def restore(self, index: int, outcome: Outputs | ItemError) -> None:
        """Take an outcome that was kept by an earlier process."""
        if isinstance(outcome, ItemError):
            self._failed += 1
            self._response_bytes += outcome.response_size
        self._known[index] = outcome

    def forget(self) -> None:
        """Forget all outcomes: the result that they make cannot be used."""
        self._known, self._failed, self._response_bytes = {}, 0, 0

    def commit(self) -> None:
        """Have the outcomes kept before the next item begins. Raises NodeError if the attempt is abandoned."""
        if self.keeper is not None:
            self.keeper.commit()

    def flush(self) -> None:
        """Have the outcomes kept before what the execution writes next."""
        if self.keeper is not None:
            self.keeper.flush()

    def end_attempt(self) -> None:
        """An error ends the attempt."""
        if self.all_or_nothing:
            self.forget()
        else:
            self.flush()

    def succeed(self, index: int, outputs: Outputs) -> None:
        """An item was processed."""
        if self.keeper is not None and not self.all_or_nothing:
            try:
                self.keeper.keep(index, outputs)
            except NodeError as error:
                self.fail(index, error)
                return
        elif self._on_error != "stop" and has_nul(dict(outputs)):
            self.fail(index, NodeError(str(NotStorable.__doc__)))
            return
        self._known[index] = outputs
        self._report()

    def fail(self, index: int, error: Exception) -> None:
        """An attempt at an item has failed. Raises the error if `on_error` is stop, which ends the attempt."""
        if self._on_error == "stop":
            raise error
        retryable = isinstance(error, NodeError) and error.retryable
        if self._retry.follows(self.attempt, retryable=retryable):
            known = error if isinstance(error, NodeError) else NodeError(f"{type(error).__name__}: {error}")
            self._to_retry[index] = known
            return
        outcome = ItemError.of(error)
        self._response_bytes += outcome.response_size
        if self._response_bytes > MAX_RESPONSES:
            outcome = outcome.without_body()
        if self.keeper is not None:
            self.keeper.keep(index, outcome)
        self._known[index] = outcome
        self._failed += 1
        self._report()

    def check_finished(self) -> None:
        """Raise NodeError if another attempt has to follow for some items."""
        if not self._to_retry:
            return
        index, first = next(iter(self._to_retry.items()))
        count = len(self._to_retry)
        message = str(first) if count == 1 else f"{count:,} items failed; the first is item {index}: {first}"
        waits = [error.retry_after for error in self._to_retry.values() if error.retry_after is not None]
        retryable = any(error.retryable for error in self._to_retry.values())
        raise NodeError(
            message,
            retryable=retryable,
            retry_after=max(waits, default=None),
            response=first.response,
            expression=first.expression,
        )

    def result(self, items: Sequence[Item], error_output: str, otherwise: ItemError | None = None) -> OutcomesByItem:
        """Return the result for these input items, in their order.

        Items that failed go to `error_output`, merged with their `error`. `otherwise` is the error of the items without
        an outcome.
        """
        made = _Collected()
        for index, item in enumerate(items):
            outcome = self._known.get(index, otherwise)
            if isinstance(outcome, ItemError):
                made.add(index, {error_output: [item | {"error": outcome.as_data()}]})
                made.failed += 1
                made.error = made.error or outcome
            elif outcome is not None:
                made.add(index, outcome)
        lineage = {name: compact(origins, len(items)) for name, origins in made.origins.items()}
        return OutcomesByItem(made.outputs, lineage, len(items) - made.failed, made.failed, made.error)

    def _report(self) -> None:
        if self.keeper is not None:
            self.keeper.report(len(self._known), self._failed)


@dataclass(slots=True)
class _Collected:
    outputs: dict[str, list[Item]] = field(default_factory=dict)
    origins: dict[str, list[Origin]] = field(default_factory=dict)
    failed: int = 0
    error: ItemError | None = None

    def add(self, index: int, outputs: Outputs) -> None:
        for name, items in outputs.items():
            self.outputs.setdefault(name, []).extend(items)
            self.origins.setdefault(name, []).extend([index] * len(items))


def error_output(on_error: OnError, names: Sequence[str]) -> str:
    """Return the output of items that failed: `error` if they are routed, else `main`. A node without `main` has its
    last output for what does not match, such as `false` and `fallback`."""
    if on_error == "route":
        return ERROR_OUTPUT
    return "main" if "main" in names or not names else names[-1]

"""The parameters of a node run after expressions, for the record: redacted and bounded. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson

from executions.domain.bounded import Bounds
from executions.domain.errors import NodeError
from executions.domain.expressions import ExpressionError, Resolver
from executions.domain.redaction import Redaction
from workflow_platform.core import exact_json
from workflow_platform.core.content.charsets import all_without_nul
from workflow_platform.core.secrets.secret_names import masked

MAX_TEXT, MAX_CHARACTERS = 4_000, 16_000
"""The most characters of one text, and of all parameters together."""
MOST_SECONDS = 1.0
"""How long the parameters beside one that failed are evaluated."""
NAMES_OF_CREDENTIALS = frozenset({"credential", "credentials", "signing_credential"})
"""Parameters that name a credential: the name is no secret."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    item: int
    values: dict[str, Any]
    redaction: Redaction


class UsedParameters:
    """The parameters of one node run: those of its first item or, if it failed, those of the item that failed.

    The thread of the attempt notes, the actor reads.
    """

    def __init__(self) -> None:
        self._first: _Resolved | None = None
        self._last: _Resolved | None = None
        self._failed: _Resolved | None = None

    @property
    def item(self) -> int:
        """Return the item whose parameters were resolved last."""
        return 0 if self._last is None else self._last.item

    @property
    def has_failed(self) -> bool:
        """Return whether an item has failed whose parameters are kept."""
        return self._failed is not None

    def begin(self) -> None:
        """Begin an attempt."""
        self._first = self._last = self._failed = None

    def note(self, item: int, values: dict[str, Any], redaction: Redaction) -> None:
        """Take the parameters that were resolved for an item, and the secrets that may be in them."""
        self._last = _Resolved(item, values, redaction)
        self._first = self._first or self._last

    def item_failed(self, item: int) -> None:
        """An item has failed: keep its parameters if it is the first that did, and they are known."""
        known = next((each for each in (self._last, self._first) if each is not None and each.item == item), None)
        self._failed = self._failed or known

    def raw(self, *, failed: bool) -> tuple[int, dict[str, Any]] | None:
        """Return the item and its parameters with all secrets, cut to a size; None if none were resolved."""
        if (chosen := self._chosen(failed)) is None:
            return None
        return chosen.item, Bounds(4 * MAX_CHARACTERS, 4 * MAX_TEXT).of(chosen.values)

    def data(self, *, failed: bool) -> dict[str, Any] | None:
        """Return the parameters as JSON, `{item, values, truncated}`; None if none were resolved."""
        if (chosen := self._chosen(failed)) is None:
            return None
        values, cut = shown_parameters(chosen.values, chosen.redaction)
        return {"item": chosen.item, "values": values, "truncated": cut}

    def _chosen(self, failed: bool) -> _Resolved | None:
        return self._failed or (self._last if failed else self._first)


def shown_parameters(values: dict[str, Any], redaction: Redaction | None = None) -> tuple[dict[str, Any], bool]:
    """Return parameters without secrets and cut to size, and whether something was cut."""
    if _is_small(values):
        return _without_secrets(values, redaction), False
    # Cut twice: secrets are replaced in between, so that no part of one is left at the end of a text.
    read = Bounds(4 * MAX_CHARACTERS, 4 * MAX_TEXT)
    kept = _without_secrets(all_without_nul(read.of(values)), redaction)
    bounds = Bounds(MAX_CHARACTERS, MAX_TEXT)
    shown = bounds.of(kept)
    return exact_json.normal(shown), bounds.cut or read.cut


def _is_small(values: dict[str, Any]) -> bool:
    """Return whether nothing has to be cut or replaced for the database: a cheap first check."""
    try:
        text = orjson.dumps(values)
    except TypeError:
        return False
    return len(text) <= MAX_TEXT and b"\\u0000" not in text


def _without_secrets(kept: dict[str, Any], redaction: Redaction | None) -> dict[str, Any]:
    named = {name: kept[name] for name in NAMES_OF_CREDENTIALS & kept.keys() if isinstance(kept[name], str)}
    kept = masked(kept) | named
    return kept if redaction is None else redaction.value(kept)


def has_expressions(value: Any) -> bool:
    """Return whether a text in a value may hold an expression."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(has_expressions(inner) for inner in value.values())
    return isinstance(value, list) and any(has_expressions(inner) for inner in value)


def resolved_as_far(evaluator: Resolver, parameters: dict[str, Any], item: int) -> dict[str, Any]:
    """Return the parameters for an item, in which expressions that fail stay as they were written; so do those that
    follow when MOST_SECONDS are over."""
    deadline = time.monotonic() + MOST_SECONDS

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: resolved(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [resolved(inner) for inner in value]
        if not has_expressions(value) or time.monotonic() > deadline:
            return value
        try:
            return evaluator.resolve(value, item)
        except (ExpressionError, NodeError):
            return value

    return {name: resolved(value) for name, value in parameters.items()}

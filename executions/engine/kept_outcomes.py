"""Keeps the outcomes of items while their node run goes on: a crash or a retry repeats none that is committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection

from executions.domain.errors import NodeError
from executions.domain.items import NotStorable, fragment, holds_nul
from executions.models import ItemOutcome, NodeRun
from executions.nodes.item_outcomes import ItemError, Outputs
from workflow_platform.core import exact_json

ABANDONED_CHECK_SECONDS = 0.5
PROGRESS_SECONDS = 0.5
"""The shortest time between two reports of a node run's progress."""
PROGRESS_STEPS = 100
"""About the most reports of a node run, apart from one every PROGRESS_AT_LEAST_SECONDS."""
PROGRESS_AT_LEAST_SECONDS = 10.0

Write = Callable[[list[ItemOutcome], Callable[[], None]], None]
"""Writes outcomes under the execution's lease; the callable is called after the commit."""


class KeptOutcomes:
    """Keeps the outcomes of one attempt, with one write at a time. It is used by the thread that makes the attempt."""

    def __init__(
        self,
        row: NodeRun,
        cancelled: threading.Event,
        write: Write,
        on_progress: Callable[[int, int], None],
        items: int,
        *,
        acts: bool,
    ) -> None:
        """`acts`: nothing may happen before the commit of what has happened; else the commits may lag behind."""
        self._row, self._cancelled, self._write, self._acts = row, cancelled, write, acts
        self._progress = _Progress(items, on_progress)
        self._at_once = acts and items > 1
        """Write each outcome as soon as it is known. A single one is in the output that follows at once."""
        self._size = 0
        self._buffered: list[ItemOutcome] = []
        self._in_flight = 0
        self._changed = threading.Condition()

    def keep(self, index: int, outcome: Outputs | ItemError) -> None:
        """Take an outcome. Raises NodeError if it cannot be stored, or the node's outputs are too large together."""
        text = _encoded(outcome)
        size, limit = self._size + len(text), settings.NODE_OUTPUT_MAX_BYTES
        if size > limit:
            raise NodeError(
                f"With this item the output has {size} bytes; at most {limit} are allowed (NODE_OUTPUT_MAX_BYTES)."
            )
        self._size = size
        with self._changed:
            self._buffered.append(ItemOutcome(node_run=self._row, item=index, outcome=text.decode()))
            if self._at_once:
                self._submit()

    def commit(self) -> None:
        """Commit the outcomes, before the next item begins. Raises NodeError if the attempt is abandoned."""
        with self._changed:
            if self._in_flight and not self._acts:
                return
            self._submit()
            while self._acts and self._in_flight:
                if self._cancelled.is_set():
                    raise NodeError("Cancelled.")
                self._changed.wait(ABANDONED_CHECK_SECONDS)

    def flush(self) -> None:
        """Submit what is not submitted: it is written before whatever the execution submits next."""
        with self._changed:
            self._submit()

    def report(self, done: int, failed: int) -> None:
        """Show the progress, now and then."""
        self._progress.report(done, failed)

    def _submit(self) -> None:
        if self._buffered:
            batch, self._buffered = self._buffered, []
            self._in_flight += 1
            self._write(batch, self._on_commit)

    def _on_commit(self) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()


class _Progress:
    """Reports at most twice a second, and only what is worth it."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None]) -> None:
        self._on_progress, self._step = on_progress, max(1, total // PROGRESS_STEPS)
        self._reported, self._at = 0, time.monotonic()

    def report(self, done: int, failed: int) -> None:
        elapsed = time.monotonic() - self._at
        is_worth_it = done - self._reported >= self._step or elapsed > PROGRESS_AT_LEAST_SECONDS
        if elapsed >= PROGRESS_SECONDS and is_worth_it:
            self._reported, self._at = done, time.monotonic()
            self._on_progress(done, failed)


def _encoded(outcome: Outputs | ItemError) -> bytes:
    value = {"error": asdict(outcome)} if isinstance(outcome, ItemError) else {"outputs": dict(outcome)}
    try:
        text = exact_json.write(value, default=fragment)
    except TypeError as error:
        raise NodeError(f"The output is not JSON: {error}.") from None
    if holds_nul(text):
        raise NodeError(str(NotStorable.__doc__))
    return text


def insert(outcomes: Sequence[ItemOutcome]) -> None:
    """Insert outcomes of node runs that have not ended; those that are known already stay as they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions_itemoutcome (node_run_id, item, outcome) SELECT run.id, new.item, new.outcome"
            " FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS new(run, item, outcome)"
            " JOIN executions_noderun run ON run.id = new.run AND run.ended_at IS NULL ON CONFLICT DO NOTHING",
            [[o.node_run.pk for o in outcomes], [o.item for o in outcomes], [o.outcome for o in outcomes]],
        )


def delete(node_runs: Iterable[UUID]) -> None:
    """Delete the outcomes of node runs that have ended, and what their children were to get and gave."""
    ids = list(node_runs)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM executions_itemoutcome WHERE node_run_id = ANY(%s)", [ids])
        cursor.execute(
            "UPDATE executions_itemchild SET input = NULL, outcome = NULL WHERE node_run_id = ANY(%s)"
            " AND (input IS NOT NULL OR outcome IS NOT NULL)",
            [ids],
        )


def stored(node_runs: Sequence[UUID]) -> Mapping[UUID, dict[int, Outputs | ItemError]]:
    """Return the outcomes of node runs that have not ended, by node run and item."""
    outcomes: dict[UUID, dict[int, Outputs | ItemError]] = {}
    if node_runs:
        rows = ItemOutcome.objects.filter(node_run__in=node_runs)
        for node_run, item, text in rows.values_list("node_run_id", "item", "outcome"):
            value: dict[str, Any] = orjson.loads(text)
            outcome = ItemError(**value["error"]) if "error" in value else value["outputs"]
            outcomes.setdefault(node_run, {})[item] = outcome
    return outcomes

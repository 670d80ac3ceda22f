"""Node runs that are held: they wait for a person, and go on as the answer says, with what the person edited.

An answer is the outcome of the hold's row (`executions.holds.answers` writes it): `{action, by, at}`, and as far as
given `input`, `node` (the node's definition for this run), `output`, `to`, and `unbound`. A hold that is over without
one has expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from executions import lifecycle
from executions.credentials import HostBinding
from executions.domain.ancestry import ENTRY
from executions.domain.graph import Node
from executions.domain.items import Items, main_of
from executions.domain.workflow_settings import HOLD_SECONDS
from executions.engine.flow import Flow, Ready
from executions.models import Execution, HoldPlace, NodeRun, OnFailure, Wait, WaitKind

EXPIRED: Mapping[str, Any] = {"action": "fail", "by": None}
"""The answer of a hold that nobody answered in time."""


def hold_seconds(execution: Execution, settings: Mapping[str, Any]) -> int | None:
    """Return how long a node that fails for good is held; None: it ends the execution. What the execution says goes
    before the settings of its workflow."""
    wanted = execution.on_failure or settings.get("on_failure") or OnFailure.STOP
    if wanted != OnFailure.HOLD:
        return None
    return int(execution.hold_seconds or settings.get("hold_seconds") or HOLD_SECONDS)


def new_hold(row: NodeRun, seconds: int, error: dict[str, Any], took_ms: float, sent: Mapping[str, Any]) -> Wait:
    """Return the hold of a node run whose attempt has failed with `error` after `took_ms`."""
    details = {"reason": "failure", "error": lifecycle.without_response(error), "took_ms": took_ms, "sent": dict(sent)}
    return Wait(
        execution=row.execution,
        node_id=row.node_id,
        run_index=row.run_index,
        attempt=row.attempt,
        kind=WaitKind.HOLD,
        place=HoldPlace.FAILURE,
        details=details,
        expires_at=timezone.now() + timedelta(seconds=seconds),
    )


@dataclass(frozen=True, slots=True)
class Edits:
    """What people said about the further attempts of one node run, over all answers to its holds."""

    first_attempt: int = 1
    """The attempt from which the retry policy counts."""
    edited_attempt: int | None = None
    """The first attempt with the last change; None: nothing was changed."""
    what: tuple[str, ...] = ()
    input: Mapping[str, Items] | None = None
    node: Node | None = None
    """The definition to use instead of that of the version."""
    sent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The hosts to which the node run has sent credentials, by the credential's id."""
    unbound: bool = False
    """Whether the last one to edit may change credentials: then the attempt sends them like any other."""

    def after(self, hold: Wait) -> Edits:
        """Return the edits with those of another answer, which asks for a retry."""
        outcome: dict[str, Any] = hold.outcome or {}
        sent = {key: frozenset(hosts) for key, hosts in ((hold.details or {}).get("sent") or {}).items()}
        known = {key: self.sent.get(key, frozenset()) | sent.get(key, frozenset()) for key in {*self.sent, *sent}}
        again = replace(self, first_attempt=hold.attempt + 1, sent=known)
        what = outcome.get("what") or ()
        if not what:
            return again
        return replace(
            again,
            edited_attempt=hold.attempt + 1,
            what=tuple(dict.fromkeys((*self.what, *what))),
            input=outcome.get("input", self.input),
            node=Node.model_validate(outcome["node"]) if "node" in outcome else self.node,
            unbound=bool(outcome.get("unbound")),
        )

    @property
    def mark(self) -> dict[str, Any] | None:
        """Return what the node run's row says about the edits."""
        return {"what": list(self.what), "attempt": self.edited_attempt} if self.what else None

    def ready(self, ready: Ready) -> Ready:
        """Return a node run with the edited input, if there is one. Nobody knows what its items came from."""
        if self.input is None:
            return ready
        flows = [Flow((ready.node_id, ENTRY), "", name, items) for name, items in self.input.items()]
        return Ready(ready.node_id, ready.run_index, flows, [*ready.iterations[:-1], main_of(dict(self.input))])

    def binding(self, known: HostBinding) -> HostBinding:
        """Return where an attempt may send credentials: an edited one only where the node has sent them before."""
        if not self.what:
            return known
        return HostBinding(None if self.unbound else self.sent)

    def hosts(self, known: HostBinding) -> dict[str, list[str]]:
        """Return where the node has sent credentials by its own definition and input; `known` are those hosts now."""
        return known.hosts() if not self.what else {key: sorted(hosts) for key, hosts in self.sent.items()}


NOTHING = Edits()


def edits_of(holds: Iterable[Wait], before: int) -> Edits:
    """Return the edits of a node run for the attempt `before`, from all its holds."""
    edits = NOTHING
    for hold in sorted(holds, key=lambda hold: hold.attempt):
        if hold.attempt < before and (hold.outcome or {}).get("action") == "retry":
            edits = edits.after(hold)
    return edits

"""Answers to holds: who may give one, and its record. A hold is answered once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events import log
from executions import lifecycle
from executions.domain.digests import keyed
from executions.holds.editing import Answer as Answer
from executions.holds.editing import BadAnswer as BadAnswer
from executions.holds.editing import Made, made_of
from executions.holds.subjects import subjects_of
from executions.lifecycle.base import OUTSIDE
from executions.lifecycle.output_digests import key_of
from executions.lifecycle.transitions import about_hold, released
from executions.models import Execution, Wait
from executions.waits import waits
from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import Role, User


def may_debug(user: User | object, execution: Execution, role: Role = Role.EDITOR) -> bool:
    """Return whether the user may answer the holds of an execution: with at least `role`, in its workspace."""
    return Execution.objects.visible_to(user, role).filter(pk=execution.pk).exists()


def answer(execution: Execution, hold_id: UUID, given: Answer, by: User) -> Wait:
    """Release a hold of the execution. `by` is a user who may debug it.

    Raises BadAnswer; NotWaiting if the hold is over, or is none of this execution; Unavailable if the syntax check of
    edited parameters does not respond.
    """
    holds = list(Wait.objects.holds().open().filter(pk=hold_id, execution=execution))
    subject = next(iter(subjects_of(execution, holds)), None)
    if subject is None:
        raise waits.NotWaiting(waits.NotWaiting.__doc__)
    made = made_of(subject, given)
    # Whoever may change credentials may send them anywhere; others only where the node has sent them before.
    made.outcome |= {
        "by": by.get_username(),
        "at": timezone.now().isoformat(),
        "unbound": may_debug(by, execution, Role.ADMIN),
    }
    return _resolve(subject.hold, execution, made, by)


@transaction.atomic
def _resolve(hold: Wait, execution: Execution, made: Made, by: User) -> Wait:
    """Write the answer with its events and its audit entry. Raises NotWaiting."""
    resolved = waits.resolve(hold.pk, made.outcome, by=by)
    events = [("released", released(hold, made.outcome["action"], by.get_username()))]
    events += [("data_edited", data) for data in _edits(hold, execution, made, by)]
    log.append([lifecycle.event(execution, kind, data, OUTSIDE) for kind, data in events])
    details = {"execution": str(execution.pk), "hold": str(hold.pk), "node": hold.node_id}
    details |= {"action": made.outcome["action"], "what": made.outcome.get("what", [])}
    audit.hold_answered(execution.workspace_id, by, execution.workflow.name, **details)
    return resolved


def _edits(hold: Wait, execution: Execution, made: Made, by: User) -> list[dict[str, Any]]:
    key = key_of(execution)
    return [
        about_hold(hold)
        | {
            "what": [what],
            "by": by.get_username(),
            "digest_before": keyed(before, key),
            "digest_after": keyed(after, key),
        }
        for what, before, after in made.changes
    ]


__all__ = ["Answer", "BadAnswer", "answer", "may_debug"]

"""The search of the command palette: workflows, endpoints and executions of the caller's workspaces, best match first.

A name matches if it has the characters of the text in their order: `mrep` finds "Monthly report". A name that begins
with the text comes before one that contains it; of equal matches the one that changed last comes first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.urls import reverse

from executions.listing.selection import MIN_DIGITS
from executions.models import Execution, Workflow
from webhooks.models import Endpoint
from workflow_platform.core.accounts.models import User, Workspace

FOUND = 8
"""The most results of a kind."""
MAX_TEXT = 100
MAX_RECENT = 20
_HEX = set("0123456789abcdef")

Kind = Literal["workflow", "execution", "endpoint"]


@dataclass(frozen=True)
class Found:
    """A result. `detail` tells it from others of its name; `page` is the path of its page."""

    kind: Kind
    id: UUID
    title: str
    detail: str
    workspace: str
    page: str


def search(user: User | object, text: str, recent: Sequence[UUID] = ()) -> list[Found]:
    """Return what the text finds. Without a text: the objects with the `recent` ids, in that order, then the workflows
    that changed last."""
    workspaces = dict(Workspace.objects.visible_to(user).order_by().values_list("pk", "name"))
    if not text:
        chosen = _with_ids(workspaces, recent)
        others = _found(_workflows(workspaces).order_by("-updated_at", "pk")[:FOUND], workspaces)
        return chosen + [each for each in others if each not in chosen]
    workflows = _ranked(_workflows(workspaces), text)
    endpoints = _ranked(_endpoints(workspaces), text)
    return [found for rows in (workflows, endpoints, _by_id(workspaces, text)) for found in _found(rows, workspaces)]


def _workflows(workspaces: dict[UUID, str]) -> QuerySet[Workflow]:
    return Workflow.objects.filter(workspace__in=list(workspaces), deleted_at=None)


def _endpoints(workspaces: dict[UUID, str]) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(workspace__in=list(workspaces), deleted_at=None)


def _executions(workspaces: dict[UUID, str]) -> QuerySet[Execution]:
    return Execution.objects.filter(workspace__in=list(workspaces)).select_related("workflow").defer("input", "error")


def _ranked(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    letters = ".*".join(re.escape(letter) for letter in text if not letter.isspace())
    order = Case(
        When(name__istartswith=text, then=Value(0)),
        When(name__icontains=text, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return rows.filter(name__iregex=letters).order_by(order, "-updated_at", "pk")[:FOUND]


def _by_id(workspaces: dict[UUID, str], text: str) -> QuerySet[Execution]:
    """Return the executions whose id begins with the text, the newest first."""
    digits = text.lower().replace("-", "")
    if not MIN_DIGITS <= len(digits) <= 32 or not set(digits) <= _HEX:
        return Execution.objects.none()
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return _executions(workspaces).filter(pk__gte=first, pk__lte=last).order_by("-pk")[:FOUND]


def _with_ids(workspaces: dict[UUID, str], ids: Sequence[UUID]) -> list[Found]:
    if not ids:
        return []
    rows = [query.filter(pk__in=ids) for query in (_workflows(workspaces), _endpoints(workspaces))]
    found = [
        each for query in (*rows, _executions(workspaces).filter(pk__in=ids)) for each in _found(query, workspaces)
    ]
    return sorted(found, key=lambda each: ids.index(each.id))


def _found(rows: QuerySet[Any], workspaces: dict[UUID, str]) -> list[Found]:
    return [_result(row, workspaces[row.workspace_id]) for row in rows]


def _result(row: Workflow | Execution | Endpoint, workspace: str) -> Found:
    if isinstance(row, Workflow):
        detail = row.description.strip().split("\n")[0][:200]
        return Found("workflow", row.pk, row.name, detail, workspace, reverse("workflow", args=[row.pk]))
    if isinstance(row, Endpoint):
        page = reverse("webhook-endpoint", args=[row.pk])
        return Found("endpoint", row.pk, row.name or row.url, row.url, workspace, page)
    page = reverse("monitor", args=[row.pk])
    return Found("execution", row.pk, row.workflow.name, row.get_status_display(), workspace, page)

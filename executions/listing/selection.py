"""The executions that criteria select.

A list of the newest rows stops early only if PostgreSQL reads them in order from one index. `status IN (...)`, several
workspaces and OR prevent that. A selection is therefore split into parts of which each is one walk along an index; the
page merges their first rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.utils import timezone

from executions.domain.search_words import in_workspace, node_failed, node_ran, search_query
from executions.domain.statuses import ExecutionStatus
from executions.listing.criteria import Criteria
from executions.models import (
    Execution,
    ExecutionAttribute,
    NodeRun,
    SearchDocument,
    Wait,
    WordsQuery,
    Workflow,
    WorkflowVersion,
)
from workflow_platform.core.accounts.models import Role, User, Workspace

ENDED = [status for status in ExecutionStatus if status.ended]
UNENDED = [status for status in ExecutionStatus if not status.ended]
CLOCKS = timedelta(hours=1)
"""How far the time in an id may be from `queued_at`."""
MAX_NAMED = 1000
"""The most workflows that a part of a name selects."""
FEW_DOCUMENTS = 2000
"""Up to so many executions with the words are read at once; more are found soon by a walk along the list."""
MIN_DIGITS = 8
"""The fewest digits that are taken for the start of an id: "add" and "2026" are words."""
_HEX = set("0123456789abcdef")


def visible_workspaces(user: User | object, criteria: Criteria, role: Role = Role.VIEWER) -> list[UUID]:
    """Return the workspaces of a list: those in which the user has `role`, or the one of the criteria."""
    workspaces = Workspace.objects.visible_to(user, role).order_by()
    if criteria.workspace:
        workspaces = workspaces.filter(pk=criteria.workspace)
    return list(workspaces.values_list("pk", flat=True))


def matching(workspaces: Sequence[UUID], criteria: Criteria) -> QuerySet[Execution]:
    """Return the executions of the workspaces that match, without an order."""
    rows = _rows().filter(common(criteria), found_by(workspaces, criteria), workspace__in=workspaces)
    return rows.filter(reduce(or_, alternatives(workspaces, criteria)))


def parts(workspaces: Sequence[UUID], criteria: Criteria, most: int) -> list[QuerySet[Execution]]:
    """Return the same executions in parts, each to be read along one index; at most about `most` parts."""
    rows = _rows().filter(common(criteria))
    found = alternatives(workspaces, criteria)
    if len(workspaces) * len(found) > most:
        rows = rows.filter(found_by(workspaces, criteria))
        return [rows.filter(each, workspace__in=workspaces) for each in found]
    return [
        rows.filter(found_by([workspace], criteria), each, workspace=workspace)
        for workspace in workspaces
        for each in alternatives([workspace], criteria)
    ]


def found_by(workspaces: Sequence[UUID], criteria: Criteria) -> Q:
    """Return the condition on attributes. With one workspace it is one walk along an index, newest first."""
    condition = Q()
    for attribute in criteria.attribute:
        key, _, value = attribute.partition(":")
        rows = ExecutionAttribute.objects.filter(key=key, value=value, workspace__in=workspaces)
        if len(workspaces) == 1:
            rows = ExecutionAttribute.objects.filter(key=key, value=value, workspace=workspaces[0])
        condition &= Q(pk__in=rows.order_by().values("execution"))
    return condition


def _rows() -> QuerySet[Execution]:
    duration = ExpressionWrapper(F("ended_at") - F("started_at"), DurationField())
    return Execution.objects.order_by().annotate(duration=duration)


def common(criteria: Criteria) -> Q:
    """Return the condition that holds in every part."""
    condition = Q()
    for name, value in (
        ("workflow", criteria.workflow),
        ("mode", criteria.mode),
        ("rerun_of", criteria.rerun_of),
        ("cause", criteria.cause),
        ("failed_node", criteria.failed_node),
        ("pk__in", criteria.ids),
    ):
        condition &= Q(**{name: value}) if value else Q()
    if criteria.held:
        held = Wait.objects.holds().filter(resolved_at__isnull=True).order_by()
        condition &= Q(ended_at__isnull=True, pk__in=held.values("execution"))
    if criteria.trigger:
        condition &= Q(trigger__in=criteria.trigger) if len(criteria.trigger) > 1 else Q(trigger=criteria.trigger[0])
    if criteria.version:
        versions = WorkflowVersion.objects.filter(workflow=criteria.workflow, number=criteria.version)
        condition &= Q(version=versions.values_list("pk", flat=True).first() or UUID(int=0))
    return condition & _queued(criteria.since, criteria.until)


def alternatives(workspaces: Sequence[UUID], criteria: Criteria) -> list[Q]:
    """Return conditions of which one must hold."""
    return [
        ended & text & words
        for ended in _by_end(criteria)
        for text in _by_text(workspaces, criteria.q.strip())
        for words in _by_words(workspaces, criteria)
    ]


def _by_words(workspaces: Sequence[UUID], criteria: Criteria) -> list[Q]:
    """Return the conditions on what the search index knows: words, and the nodes that ran and failed. It knows ended
    executions; the nodes of the others are few enough to look at."""
    workflow, ran, failed = criteria.workflow, criteria.node_ran, criteria.node_failed
    if not (criteria.text or ran or failed):
        return [Q()]
    marks = [in_workspace(workspaces[0])] if len(workspaces) == 1 else []
    marks += [node_ran(workflow, ran)] if workflow and ran else []
    marks += [node_failed(workflow, failed)] if workflow and failed else []
    query = search_query(criteria.text, marks)
    found = [Q(ended_at__isnull=False, pk__in=_documents_of(query))] if query else []
    if not criteria.text:
        runs = NodeRun.objects.filter(execution=OuterRef("pk")).exclude(status__in=["skipped", "pending"])
        unended = Q(status__in=[status.value for status in UNENDED], ended_at__isnull=True)
        unended &= Q(Exists(runs.filter(node_id=ran))) if ran else Q()
        found.append(unended & (Q(Exists(runs.filter(node_id=failed, status="failed"))) if failed else Q()))
    return found or [Q(pk__in=[])]


def _documents_of(query: str) -> list[UUID] | QuerySet[Any]:
    """Return the executions whose documents match: the ids if they are few, else a query, for a walk along the list.

    PostgreSQL cannot know how many documents a word matches that begins with what was typed. It would walk along the
    whole list for a word that is nowhere.
    """
    documents = SearchDocument.objects.filter(document=WordsQuery(query, search_type="raw")).order_by()
    few = list(documents.values_list("execution", flat=True)[: FEW_DOCUMENTS + 1])
    return few if len(few) <= FEW_DOCUMENTS else documents.values("execution")


def with_words(text: str, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the executions that have the words of a text."""
    if not (query := search_query(text)):
        return set()
    # As a column: as a condition, PostgreSQL may look for all documents with the words.
    matches = ExpressionWrapper(Q(document=WordsQuery(query, search_type="raw")), output_field=BooleanField())
    rows = SearchDocument.objects.filter(pk__in=ids).order_by().annotate(matches=matches)
    return {pk for pk, found in rows.values_list("pk", "matches") if found}


def _queued(since: datetime | None, until: datetime | None) -> Q:
    """Return the condition on the time of queueing. Ids begin with about this time, and the lists are ordered by id."""
    condition = Q()
    if since:
        condition &= Q(queued_at__gte=since, pk__gte=_first_id(since - CLOCKS))
    if until:
        condition &= Q(queued_at__lt=until, pk__lt=_first_id(until + CLOCKS))
    return condition


def _first_id(at: datetime) -> UUID:
    milliseconds = min(max(int(at.timestamp() * 1000), 0), 2**48 - 1)
    return UUID(int=milliseconds << 80)


def _by_end(criteria: Criteria) -> list[Q]:
    """Return the conditions on status and duration: one for each status of ended executions, one for the others."""
    timed = criteria.min_duration is not None or criteria.max_duration is not None
    if not criteria.status and not timed:
        return [Q()]
    chosen = criteria.status or [*UNENDED, *ENDED]
    ended = Q(ended_at__isnull=False) & _ran(criteria)
    unended = [status.value for status in UNENDED if status in chosen]
    found = [_unended(criteria) & Q(status__in=unended)] if unended else []
    if not criteria.status:
        return [*found, ended]
    return [*found, *(ended & Q(status=status.value) for status in chosen if status.ended)]


def _unended(criteria: Criteria) -> Q:
    now, condition = timezone.now(), Q(ended_at__isnull=True)
    if criteria.min_duration is not None:
        condition &= Q(started_at__lte=now - timedelta(seconds=criteria.min_duration))
    if criteria.max_duration is not None:
        condition &= Q(started_at__gte=now - timedelta(seconds=criteria.max_duration))
    return condition


def _ran(criteria: Criteria) -> Q:
    condition = Q()
    if criteria.min_duration is not None or criteria.max_duration is not None:
        condition &= Q(started_at__isnull=False)
    if criteria.min_duration is not None:
        condition &= Q(duration__gte=timedelta(seconds=criteria.min_duration))
    if criteria.max_duration is not None:
        condition &= Q(duration__lte=timedelta(seconds=criteria.max_duration))
    return condition


def _by_text(workspaces: Sequence[UUID], text: str) -> list[Q]:
    """Return the conditions on the search text: the workflow's name, the error's message, the start of the id."""
    if not text:
        return [Q()]
    named = Workflow.objects.filter(workspace__in=workspaces, name__icontains=text).order_by()
    found = [Q(ended_at__isnull=False, status__in=["failed", "timed_out"], error__message__icontains=text)]
    if workflows := list(named.values_list("pk", flat=True)[:MAX_NAMED]):
        found.append(Q(workflow__in=workflows))
    digits = text.lower().replace("-", "")
    if MIN_DIGITS <= len(digits) <= 32 and set(digits) <= _HEX:
        found.append(Q(pk__gte=UUID(digits.ljust(32, "0")), pk__lte=UUID(digits.ljust(32, "f"))))
    return found

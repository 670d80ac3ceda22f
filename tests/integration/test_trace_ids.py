"""The trace id of an execution: the id of the execution at the start of its chain."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import Execution
from tests.engine import make_execution
from tests.workflows import node

pytestmark = pytest.mark.django_db


def child_of(parent: Execution) -> Execution:
    child = make_execution([node("start", "manual_trigger")], [])
    Execution.objects.filter(pk=child.pk).update(parent=parent, depth=parent.depth + 1)
    return Execution.objects.get(pk=child.pk)


def test_sub_workflows_have_the_trace_id_of_the_execution_that_started_the_chain() -> None:
    first = make_execution([node("start", "manual_trigger")], [])
    chain = [first]
    for _ in range(3):
        chain.append(child_of(chain[-1]))
    assert [execution.trace_id for execution in chain] == [first.pk] * 4


def test_an_execution_and_its_children_need_no_query_for_it() -> None:
    first = make_execution([node("start", "manual_trigger")], [])
    child = child_of(first)
    with CaptureQueriesContext(connection) as queries:
        assert (first.trace_id, child.trace_id) == (first.pk, first.pk)
    assert len(queries) == 0


def test_an_execution_whose_parent_is_deleted_starts_its_own_chain() -> None:
    child = child_of(make_execution([node("start", "manual_trigger")], []))
    Execution.objects.filter(pk=child.pk).update(parent=None)
    assert Execution.objects.get(pk=child.pk).trace_id == child.pk

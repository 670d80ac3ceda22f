"""The trace id of an execution: the id of the execution at the start of its chain."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import Execution
from tests.engine import COMMITS, make_execution
from tests.sending import make_delivery, make_endpoint, sending
from tests.workflows import node
from webhooks.sending import transport
from workflow_platform.core.logs import formatter

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


@COMMITS
def test_log_lines_of_a_delivery_name_its_execution_and_the_start_of_its_chain(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: object) -> None:
        raise RuntimeError("A bug.")

    first = make_execution([node("start", "manual_trigger")], [])
    last = child_of(child_of(first))
    monkeypatch.setattr(transport, "send", failing)
    caplog.handler.setFormatter(formatter("json"))
    endpoint = make_endpoint("http://127.0.0.1:1/")
    own = make_delivery(endpoint, execution_id=last.pk, workflow_id=last.workflow_id)
    others = make_delivery(endpoint)
    with sending() as here:
        here.drain()
    logged = map(json.loads, caplog.handler.stream.getvalue().splitlines())
    lines = {line["delivery_id"]: line for line in logged if "delivery_id" in line}  # other threads may log too
    names = ("execution_id", "workflow_id", "trace_id", "attempt")
    expected = [str(last.pk), str(last.workflow_id), str(first.pk), 1]
    assert [lines[str(own.pk)][name] for name in names] == expected
    assert lines[str(others.pk)].keys().isdisjoint(names[:3])

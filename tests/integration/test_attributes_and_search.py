"""Attributes that a workflow sets, and finding executions by them, by words and by what their nodes did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from events.log.models import Event
from executions.lifecycle import create_execution, create_executions
from executions.models import Execution, ExecutionAttribute, SearchDocument, Trigger
from executions.reruns import RerunRequest, plan
from executions.retention import delete_ended
from executions.search.indexer import index_now
from tests.engine import COMMITS, make_execution, make_workflow, run_here
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

NODES: list[dict[str, Any]] = [
    {"id": "start", "type": "manual_trigger"},
    {
        "id": "code",
        "type": "code",
        "parameters": {"code": "$execution.customData.set('customer', 42); return [{json: {mail: 'ann@example.com'}}]"},
    },
    {
        "id": "data",
        "type": "execution_data",
        "parameters": {"attributes": {"mail": "{{ $json.mail }}", "api_token": "s3cret-value", "none": "{{ null }}"}},
    },
    {"id": "read", "type": "set", "parameters": {"fields": {"read": "{{ $execution.customData.get('customer') }}"}}},
    {"id": "broken", "type": "set", "parameters": {"fields": {"a": "{{ $json.x.y }}"}}, "on_error": "continue"},
    {"id": "choose", "type": "if", "parameters": {"condition": "{{ true }}"}},
    {"id": "never", "type": "no_op"},
]
EDGES = [
    {"source": one, "target": other}
    for one, other in [("start", "code"), ("code", "data"), ("data", "read"), ("read", "broken"), ("broken", "choose")]
] + [{"source": "choose", "source_output": "false", "target": "never"}]
ATTRIBUTES = {"customer": "42", "mail": "ann@example.com", "api_token": "***"}


@pytest.fixture
def client() -> Client:
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    user = User.objects.create_user("reader")
    Membership.objects.create(user=user, workspace=workspace, role=Role.VIEWER)
    client = Client()
    client.force_login(user)
    return client


def listed(client: Client, query: str) -> list[UUID]:
    answer = client.get("/api/executions/", query_params=dict(pair.split("=", 1) for pair in query.split("&")))
    assert answer.status_code == 200, answer.content
    return [UUID(row["id"]) for row in answer.json()["results"]]


@COMMITS
def test_executions_are_found_by_attributes_words_and_nodes_until_they_are_deleted(client: Client) -> None:
    workflow = make_workflow(NODES, EDGES)
    one = run_here(create_execution(workflow=workflow, trigger=Trigger.API, input=[{"note": "Grüße an 7-Zwerge"}]))
    assert (one.status, one.attributes) == ("completed", ATTRIBUTES)
    events = Event.objects.filter(execution_id=one.pk, type="execution.node_completed")
    folded: dict[str, str] = {}
    for event in events.order_by("sequence"):
        folded |= event.data["attributes"] or {}
    assert folded == ATTRIBUTES
    waiting = create_execution(workflow=workflow, trigger=Trigger.API, input=[{"note": "Zwerge"}])
    index_now()

    of_workflow = f"workflow={workflow.pk}"
    expected = {
        "attribute=customer:42": [one.pk],
        "attribute=customer:4": [],
        "attribute=api_token:s3cret-value": [],
        "text=grüße 7 zwer": [one.pk],
        "text=ann@example.com": [one.pk],
        "text=ann@com": [],
        "text=s3cret-value": [],
        f"node_ran=read&{of_workflow}": [one.pk],
        f"node_failed=broken&{of_workflow}": [one.pk],
        f"node_failed=read&{of_workflow}": [],
        f"node_ran=never&{of_workflow}": [],
        f"node_ran=read&{of_workflow}&text=zwerge&attribute=customer:42&status=completed": [one.pk],
        of_workflow: [waiting.pk, one.pk],
    }
    assert {query: listed(client, query) for query in expected} == expected
    for query in ("attribute=customer", "text=%26", f"node_ran={one.pk}", "attribute=a:1,b"):
        refused = client.get(f"/api/executions/?{query}")
        assert (refused.status_code == 400) == (query != "attribute=a:1,b"), refused.content
    assert client.get(f"/api/executions/{one.pk}/").json()["attributes"] == ATTRIBUTES

    delete_ended([one.pk])
    assert not ExecutionAttribute.objects.filter(execution=one.pk).exists()
    assert not SearchDocument.objects.filter(execution=one.pk).exists()


@COMMITS
def test_a_rerun_has_the_attributes_of_the_nodes_that_it_reuses() -> None:
    old = run_here(make_execution(NODES, EDGES))
    rerun = create_from(old, "data")
    assert rerun.attributes == {"customer": "42"}
    assert list(ExecutionAttribute.objects.filter(execution=rerun).values_list("key", "value")) == [("customer", "42")]
    assert run_here(rerun).attributes == ATTRIBUTES


@COMMITS
def test_more_attributes_than_allowed_fail_the_node() -> None:
    many = {f"k{number}": number for number in range(20)}
    data = {"id": "more", "type": "execution_data", "parameters": {"attributes": many}}
    failed = run_here(make_execution([*NODES[:2], data], [EDGES[0], {"source": "code", "target": "more"}]))
    assert failed.error is not None
    assert failed.error["message"] == ("attributes: the execution would have 21 attributes; at most 20 are allowed.")
    assert failed.attributes == {"customer": "42"}


def create_from(old: Execution, node: str) -> Execution:
    (rerun,) = create_executions([plan(old, RerunRequest(node), None)])
    assert isinstance(rerun, Execution)
    return rerun

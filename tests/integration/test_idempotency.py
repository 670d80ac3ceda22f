"""`Idempotency-Key`: the same request again returns what the first one created, also at the same instant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from executions.models import Execution, Workflow
from tests.admitting import GRAPH, end, start, workflow_in
from tests.conftest import Platform
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.models import ApiToken, IdempotentRequest, Membership, Role, User, Workspace

TOGETHER = 20


@pytest.fixture
def user(db: None) -> User:
    made = User.objects.create_user("editor")
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    Membership.objects.create(user=made, workspace=workspace, role=Role.EDITOR)
    return made


@pytest.fixture
def workflow(user: User) -> Workflow:
    return workflow_in()


class Api:
    def __init__(self, user: User) -> None:
        self.token = ApiToken.issue(user, "test")[1]

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key is not None else {})
        return Client().post(path, body, content_type="application/json", headers=headers)


def test_the_same_key_returns_the_same_execution(user: User, workflow: Workflow) -> None:
    api, path = Api(user), f"/api/workflows/{workflow.pk}/execute/"
    first = api.post(path, {"input": [{"a": 1, "b": 2}]}, "order-7")
    again = api.post(path, {"input": [{"b": 2, "a": 1}]}, "order-7")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert Execution.objects.count() == 1


def test_another_key_or_none_creates_another(user: User, workflow: Workflow) -> None:
    api, path = Api(user), f"/api/workflows/{workflow.pk}/execute/"
    ids = {api.post(path, {}, key).json()["id"] for key in ("a", "b", None, None)}
    assert len(ids) == 4


def test_another_body_is_refused_and_the_header_is_named(user: User, workflow: Workflow) -> None:
    api, path = Api(user), f"/api/workflows/{workflow.pk}/execute/"
    api.post(path, {"input": [{"a": 1}]}, "order-7")
    answer = api.post(path, {"input": [{"a": 2}]}, "order-7")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert Execution.objects.count() == 1


def test_a_key_belongs_to_its_user_and_path(user: User, workflow: Workflow) -> None:
    other = User.objects.create_user("other")
    Membership.objects.create(user=other, workspace=workflow.workspace, role=Role.EDITOR)
    paths = [f"/api/workflows/{w.pk}/execute/" for w in (workflow, workflow_in())]
    ids = {Api(who).post(path, {}, "same").json()["id"] for who in (user, other) for path in paths}
    assert len(ids) == 4


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a b", "k\u00e9y", "tab\there"])
def test_a_malformed_key_is_refused(user: User, workflow: Workflow, key: str) -> None:
    answer = Api(user).post(f"/api/workflows/{workflow.pk}/execute/", {}, key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_what_failed_may_be_tried_again_with_the_same_key(user: User, workflow: Workflow) -> None:
    api = Api(user)
    assert api.post("/api/workflows/", {"name": "Bad", "nodes": [{}]}, "k").status_code == 400
    assert api.post("/api/workflows/", {"name": "Good", **GRAPH}, "k").status_code == 201


def test_workflows_clones_workspaces_and_tokens_are_created_once(user: User, workflow: Workflow) -> None:
    api = Api(user)
    posts: list[tuple[str, dict[str, Any]]] = [
        ("/api/workflows/", {"name": "Once", **GRAPH}),
        (f"/api/workflows/{workflow.pk}/clone/", {}),
        ("/api/workspaces/", {"name": "Once", "slug": "once"}),
        ("/api/tokens/", {"name": "once"}),
    ]
    for path, body in posts:
        first, again = api.post(path, body, "once"), api.post(path, body, "once")
        assert (first.status_code, again.status_code) == (201, 201), (path, again.json())
        assert first.json()["id"] == again.json()["id"]
        if path == "/api/tokens/":
            assert first.json()["token"]
            assert again.json()["token"] is None


def test_a_rerun_is_made_once(user: User, workflow: Workflow) -> None:
    (old,) = start(workflow)
    end([old])
    first, again = (Api(user).post(f"/api/executions/{old.pk}/rerun/", {}, "once") for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202), first.json()
    assert first.json()["id"] == again.json()["id"]


def test_what_is_gone_is_not_created_again(user: User) -> None:
    api = Api(user)
    made = api.post("/api/workflows/", {"name": "Once", **GRAPH}, "k").json()
    Client().delete(f"/api/workflows/{made['id']}/", headers={"Authorization": f"Bearer {api.token}"})
    assert api.post("/api/workflows/", {"name": "Once", **GRAPH}, "k").status_code == 409


def test_a_key_runs_out_after_a_day_and_is_swept(user: User, workflow: Workflow) -> None:
    api, path = Api(user), f"/api/workflows/{workflow.pk}/execute/"
    first = api.post(path, {}, "daily").json()["id"]
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=24))
    assert api.post(path, {}, "daily").json()["id"] != first
    assert idempotency.sweep() == 0
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=24))
    assert idempotency.sweep() == 1


def test_the_header_is_in_the_description_of_the_api(client: Client, user: User) -> None:
    client.force_login(user)
    schema = client.get("/api/schema/?format=json").json()
    for path in ("/api/workflows/", "/api/workflows/{id}/execute/", "/api/workflows/{id}/clone/", "/api/tokens/"):
        names = {found["name"] for found in schema["paths"][path]["post"]["parameters"]}
        assert "Idempotency-Key" in names, path


def test_requests_of_the_same_instant_get_the_same_execution(platform: Platform) -> None:
    workflow = platform.request("POST", "/api/workflows/", json={"name": "Once", **GRAPH}).json()["id"]
    for _ in range(3):
        key = str(uuid4())

        def execute(_: int, key: str = key) -> Any:
            headers = {"Idempotency-Key": key}
            return platform.request("POST", f"/api/workflows/{workflow}/execute/", json={}, headers=headers)

        with ThreadPoolExecutor(TOGETHER) as pool:
            answers = list(pool.map(execute, range(TOGETHER)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(platform.request("GET", f"/api/executions/?workflow={workflow}").json()["results"]) == 3

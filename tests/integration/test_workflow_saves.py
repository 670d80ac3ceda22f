"""A save that is based on an old version overwrites nothing, and a deletion says first what it affects."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.integration.test_history import workspace
from tests.integration.test_history_api import client
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Membership, Role, User

pytestmark = pytest.mark.django_db
START = node("start", "manual_trigger")


def editor() -> tuple[APIClient, str]:
    """Return the client of a new editor, and the user's name."""
    caller = client("tests")
    Membership.objects.update(role=Role.EDITOR)
    return caller, User.objects.latest("pk").username


def save(caller: APIClient, path: str = "/api/workflows/", method: str = "post", **fields: Any) -> Any:
    headers = fields.pop("headers", {})
    return getattr(caller, method)(path, fields, format="json", headers=headers)


def test_a_save_based_on_an_old_version_is_refused_and_says_who_saved_what() -> None:
    ada, _ = editor()
    grace, grace_name = editor()
    created = save(ada, name="Orders", nodes=[START], workspace=str(workspace("tests").pk))
    path = f"/api/workflows/{created.json()['id']}/"
    assert (created.status_code, created["ETag"]) == (201, '"1"')

    theirs = save(grace, path, "patch", description="Hers.", base_version=1)
    assert (theirs.status_code, theirs.json()["version"], theirs["ETag"]) == (200, 2, '"2"')
    for stale in ({"base_version": 1}, {"headers": {"If-Match": '"1"'}}):
        refused = save(ada, path, "put", name="Orders", nodes=[START], description="His.", **stale)
        problem = refused.json()
        assert (refused.status_code, problem["current_version"], problem["by"]) == (412, 2, grace_name)
        assert problem["at"].endswith("Z")
        assert f"saved by {grace_name}" in problem["detail"]
    assert ada.get(path).json()["description"] == "Hers."

    assert save(ada, path, "patch", name="A", base_version=2).json()["version"] == 3
    assert save(ada, path, "patch", name="B", headers={"If-Match": ada.get(path)["ETag"]}).json()["version"] == 4
    assert save(ada, path, "patch", name="C", headers={"If-Match": "*"}).json()["version"] == 5
    assert save(ada, path, "patch", name="D").json()["version"] == 6  # without a base: on the latest one


def test_a_base_that_is_none_is_refused_by_name() -> None:
    ada, _ = editor()
    new = save(ada, name="N", nodes=[START], base_version=1)
    assert (new.status_code, new.json()["errors"][0]["field"]) == (400, "base_version")
    path = f"/api/workflows/{save(ada, name='N', nodes=[START]).json()['id']}/"
    for field, fields in (
        ("If-Match", {"headers": {"If-Match": 'W/"x"'}}),
        ("base_version", {"base_version": 1, "headers": {"If-Match": '"2"'}}),
        ("base_version", {"base_version": 0}),
        ("base_version", {"base_version": "1"}),
    ):
        refused = save(ada, path, "patch", **fields)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field), fields
    assert ada.get(path).json()["version"] == 1


def test_a_rename_makes_no_version() -> None:
    ada, _ = editor()
    path = f"/api/workflows/{save(ada, name='N', nodes=[START]).json()['id']}/"
    renamed = save(ada, f"{path}details/", "patch", name="Orders", description="All of them.")
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["version"]) == (200, "Orders", 1)
    assert ada.get(path).json()["description"] == "All of them."
    for body in ({}, {"name": ""}, {"nodes": [START]}):
        assert save(ada, f"{path}details/", "patch", **body).status_code == 400


def test_a_version_is_read_by_its_number() -> None:
    ada, _ = editor()
    path = f"/api/workflows/{save(ada, name='N', nodes=[START]).json()['id']}/"
    save(ada, path, "patch", nodes=[START, node("end", "no_op")], edges=[edge("start", "end")])
    assert [len(ada.get(f"{path}versions/{number}/").json()["nodes"]) for number in (1, 2)] == [1, 2]
    assert ada.get(f"{path}versions/3/").status_code == 404
    assert client("others").get(f"{path}versions/1/").status_code == 404


def test_a_deletion_says_first_what_it_affects() -> None:
    ada, _ = editor()
    hook = node("start", "webhook_trigger", path="belongs", auth={"type": "none"})
    definition = {"name": "Called", "nodes": [hook], "active": True}
    path = f"/api/workflows/{save(ada, **definition).json()['id']}/"
    calls = [START, node("call", "execute_workflow", workflow="Called")]
    assert save(ada, name="Caller", nodes=calls, edges=[edge("start", "call")]).status_code == 201
    assert save(ada, f"{path}execute/", input=[{}]).status_code == 202

    its = ada.delete(f"{path}?dry_run=true").json()
    assert its["callers"] == ["Caller"]
    assert [one.endswith("belongs") for one in its["webhook_paths"]] == [True]
    assert (its["executions"], its["more_executions"], its["running"], its["schedules"]) == (1, False, 1, 0)
    assert ada.get(path).status_code == 200
    assert ada.delete(f"{path}?dryrun=true").status_code == 400
    assert ada.delete(path).status_code == 204
    assert ada.get(path).status_code == 404

"""Credentials as people make, change, rotate and delete them, and what each role sees of them."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client

from executions import credentials
from executions.domain.credential_types import BadFields
from executions.domain.errors import NodeError
from executions.domain.graph import InvalidGraph
from executions.models import Credential, Workflow
from executions.workflows import definitions
from tests.integration.test_pages import member
from tests.workflows import edge, node
from workflow_platform.checks import check_environment
from workflow_platform.core.accounts.models import Role, Workspace
from workflow_platform.core.secrets import encryption

pytestmark = pytest.mark.django_db

SECRET = "correct-horse-battery"
OAUTH2 = {"token_url": "http://127.0.0.2:1/token", "client_id": "ada", "client_secret": SECRET}


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def admin(workspace: Workspace) -> Client:
    return member("admin", workspace, Role.ADMIN)


def make(workspace: Workspace, name: str = "API", type_: str = "bearer", **data: Any) -> Credential:
    return credentials.create(workspace=workspace, by=None, type_=type_, name=name, data=data or {"token": SECRET})


def asking(credential: str, **further: Any) -> dict[str, Any]:
    nodes = [node("start", "manual_trigger"), node("ask", "http_request", url="https://8.8.8.8/", **further)]
    if credential:
        nodes[1]["parameters"]["credential"] = credential
    return {"name": "Asks", "nodes": nodes, "edges": [edge("start", "ask")]}


def save(workspace: Workspace, definition: dict[str, Any]) -> Workflow:
    return definitions.save_workflow(workspace=workspace, definition=definition, by=None)


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return client.generic(method, path, "" if body is None else json.dumps(body), "application/json")


def test_what_is_secret_goes_in_and_never_comes_out(admin: Client, workspace: Workspace) -> None:
    body = {"name": "API", "type": "basic", "data": {"username": "ada", "password": SECRET}}
    made = send(admin, "POST", "/api/credentials/", body)
    assert made.status_code == 201
    assert made.json()["data"] == {"username": "ada"}
    assert made.json()["fields_set"] == ["password", "username"]
    path = f"/api/credentials/{made.json()['id']}/"
    for answer in (made, admin.get(path), admin.get("/api/credentials/"), admin.get("/credentials/")):
        assert SECRET not in answer.content.decode()
    row = Credential.objects.get()
    assert SECRET.encode() not in bytes(row.data)
    assert credentials.opened(row).fields.secrets()[0] == SECRET


def test_a_change_keeps_what_it_does_not_name(admin: Client, workspace: Workspace) -> None:
    row = make(workspace, type_="basic", username="ada", password=SECRET)
    path = f"/api/credentials/{row.pk}/"
    for body in (
        {"description": "Of the weather."},
        {"data": {"username": "grace", "password": ""}},
        {"data": {}, "allowed_hosts": ["API.example.org", "*.example.com"]},
    ):
        assert send(admin, "PATCH", path, body).status_code == 200
    fields = credentials.opened(Credential.objects.get()).fields
    assert fields.model_dump() == {"username": "grace", "password": SECRET}
    shown = admin.get(path).json()
    assert (shown["description"], shown["allowed_hosts"]) == ("Of the weather.", ["api.example.org", "*.example.com"])
    assert send(admin, "PATCH", path, {"data": {"password": "another-secret"}}).status_code == 200
    assert credentials.opened(Credential.objects.get()).fields.secrets()[0] == "another-secret"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "API"}, "name"),
        ({"name": str(uuid4())}, "name"),
        ({"name": "{{ $json.name }}"}, "name"),
        ({"name": ""}, "name"),
        ({"type": "nonsense"}, "type"),
        ({"data": {"token": f"{SECRET}\n"}}, "data.token"),
        ({"data": {"token": SECRET, "x": SECRET}}, "data.x"),
        ({"data": SECRET}, "data"),
        ({"allowed_hosts": ["http://example.org/"]}, "allowed_hosts.0"),
        ({"type": "oauth2_client_credentials", "data": OAUTH2 | {"token_url": "http://10.0.0.1/"}}, "data.token_url"),
    ],
)
def test_bad_input_is_named_by_its_field_and_not_repeated(
    admin: Client, workspace: Workspace, body: dict[str, Any], field: str
) -> None:
    make(workspace)
    answer = send(
        admin, "POST", "/api/credentials/", {"name": "Another", "type": "bearer", "data": {"token": SECRET}} | body
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field.split(".0")[0])
    assert SECRET not in answer.content.decode()


def test_a_type_cannot_be_changed_nor_read_as_another(admin: Client, workspace: Workspace) -> None:
    row = make(workspace)
    send(admin, "PATCH", f"/api/credentials/{row.pk}/", {"type": "basic"})
    row.refresh_from_db()
    assert row.type == "bearer"


@pytest.mark.parametrize("role", list(Role))
def test_each_role_sees_and_does_what_is_its_own(workspace: Workspace, role: Role) -> None:
    row = make(workspace)
    client = member("somebody", workspace, role)
    path = f"/api/credentials/{row.pk}/"
    found = client.get(path)
    listed = [each["name"] for each in client.get("/api/credentials/").json()["results"]]
    page = client.get("/credentials/").content.decode()
    if role == Role.VIEWER:
        assert (found.status_code, listed) == (404, [])
        assert "API</h2>" not in page
    else:
        assert (found.json()["name"], listed) == ("API", ["API"])
        assert "API</h2>" in page
        assert (found.json()["data"] is not None) == (role == Role.ADMIN)
    assert ('id="new"' in page) == (role == Role.ADMIN)
    expected = {Role.VIEWER: 404, Role.EDITOR: 403, Role.ADMIN: 200}[role]
    assert send(client, "PATCH", path, {"description": "x"}).status_code == expected
    body = {"name": "New", "type": "bearer", "data": {"token": SECRET}}
    assert send(client, "POST", "/api/credentials/", body).status_code == (201 if role == Role.ADMIN else 403)
    assert client.delete(path).status_code == (204 if role == Role.ADMIN else expected)


def test_a_credential_of_another_workspace_cannot_be_used(workspace: Workspace) -> None:
    theirs = make(Workspace.objects.create(name="Theirs", slug="theirs"), name="Theirs")
    for reference in ("Theirs", str(theirs.pk)):
        with pytest.raises(InvalidGraph):
            save(workspace, asking(reference))
        with pytest.raises(NodeError, match="no credential"):
            credentials.open_for_node(workspace.pk, reference)
    mine = make(workspace)
    mine.data = theirs.data  # by somebody who can write to the table, and has no key
    with pytest.raises(NodeError, match="cannot be decrypted"):
        credentials.opened(mine)


def test_an_unknown_credential_is_a_problem_of_its_node_and_field(admin: Client, workspace: Workspace) -> None:
    make(workspace)
    assert save(workspace, asking("API"))
    with pytest.raises(InvalidGraph) as raised:
        save(workspace, asking("Nonsense"))
    problem = raised.value.problems[0]
    assert (problem.node, problem.field, problem.code) == ("ask", "parameters.credential", "unknown_credential")
    with pytest.raises(InvalidGraph, match="cannot be named by an expression"):
        save(workspace, asking("{{ $json.which }}"))
    of_the_node = asking("")
    of_the_node["nodes"][1]["credentials"] = "Nonsense"
    answer = send(admin, "POST", "/api/workflows/validate/", of_the_node).json()
    assert [(e["node"], e["field"]) for e in answer["errors"]] == [("ask", "credentials")]


def test_a_viewer_cannot_ask_which_credentials_there_are(workspace: Workspace) -> None:
    make(workspace)
    workflow = save(workspace, asking("API"))
    viewer = member("viewer", workspace, Role.VIEWER)
    for path in ("/api/workflows/validate/", f"/api/workflows/{workflow.pk}/validate/"):
        for name in ("API", "Nonsense"):
            assert send(viewer, "POST", path, asking(name)).json()["valid"] is True


def test_who_uses_it_is_told_and_keeps_its_name(admin: Client, workspace: Workspace) -> None:
    row = make(workspace)
    path = f"/api/credentials/{row.pk}/"
    by_id = save(workspace, asking(str(row.pk)))
    assert send(admin, "PATCH", path, {"name": "Renamed"}).status_code == 200
    by_name = save(workspace, asking("Renamed") | {"name": "By name"})
    used_by = {use["id"] for use in admin.get(path).json()["used_by"]}
    assert used_by == {str(by_id.pk), str(by_name.pk)}
    refused = send(admin, "PATCH", path, {"name": "Again"})
    assert refused.status_code == 409
    assert "By name" in refused.json()["detail"]
    assert "By name" in admin.get("/credentials/").content.decode()


def test_a_name_is_taken_once_per_workspace(workspace: Workspace) -> None:
    make(workspace)
    make(Workspace.objects.create(name="Theirs", slug="theirs"))
    with pytest.raises(BadFields, match="has this name"):
        make(workspace)


def test_the_admin_site_lists_credentials_without_what_they_hold(admin_client: Client, workspace: Workspace) -> None:
    row = make(workspace)
    for path in ("/admin/executions/credential/", f"/admin/executions/credential/{row.pk}/change/"):
        page = admin_client.get(path)
        assert page.status_code == 200
        assert "API" in page.content.decode()
        assert bytes(row.data).decode()[:40] not in page.content.decode()
    assert admin_client.post(f"/admin/executions/credential/{row.pk}/change/", {"name": "x"}).status_code == 403


# --- keys -------------------------------------------------------------------------------------------------------------


def test_the_first_key_encrypts_and_all_of_them_decrypt(workspace: Workspace, settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    derived = make(workspace, "derived")  # under the key of SECRET_KEY
    settings.CREDENTIAL_KEYS = [old]
    under_old = make(workspace, "old")
    settings.CREDENTIAL_KEYS = [new, old]
    for row in (derived, under_old):
        assert credentials.opened(row).fields.secrets() == [SECRET]
    said = io.StringIO()
    call_command("rotate_credential_keys", "--chunk", "1", stdout=said)
    assert "2 credentials re-encrypted.\n" in said.getvalue()
    settings.CREDENTIAL_KEYS = [new]
    settings.SECRET_KEY = "another secret key " * 4
    for row in Credential.objects.all():
        assert credentials.opened(row).fields.secrets() == [SECRET]
    with pytest.raises(NodeError, match="cannot be decrypted"):
        credentials.opened(derived)  # as it was before


def test_a_rotation_goes_on_where_it_broke_off_and_names_what_no_key_opens(workspace: Workspace, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    lost = make(workspace, "lost")
    settings.CREDENTIAL_KEYS = []
    for number in range(5):
        make(workspace, f"kept {number}")
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    assert credentials.rotate(chunk=3)[0] == 2  # the lost one is the oldest
    with pytest.raises(CommandError, match=str(lost.pk)):
        call_command("rotate_credential_keys", stdout=io.StringIO())
    assert Credential.objects.filter(key=encryption.current_key()).count() == 5
    lost.refresh_from_db()
    assert lost.key != encryption.current_key()


def test_a_key_that_is_none_stops_the_start_without_being_said(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), "not-really-a-key"]
    said = [message.msg for message in check_environment(None)]
    assert len(said) == 1
    assert said[0].startswith("CREDENTIAL_KEYS: entry 2")
    assert "not-really" not in said[0]

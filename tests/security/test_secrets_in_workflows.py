"""No viewer of a workflow can read a password or a key in it: not in a new one, not in one from before the upgrade."""

from __future__ import annotations

import importlib
import itertools
import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from executions import credentials
from executions.lifecycle import create_execution
from executions.models import Credential, Execution, Trigger, Workflow, WorkflowVersion
from executions.workflows.definitions import save_workflow
from tests.engine import COMMITS, run_here
from tests.integration.test_pages import member
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Role, Workspace
from workflow_platform.core.secrets import encryption

PLANTED = "pl4nted/S3cret+&"
FIELDS = {"host": "127.0.0.2", "port": 5432, "dbname": "orders", "user": "ada"}
URL = "postgresql://ada:pl4nted%2FS3cret%2B%26@127.0.0.2:5432/orders?sslmode=require"
upgrade = importlib.import_module("executions.migrations.0009_secrets_of_parameters")


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug=f"ours-{uuid4().hex[:6]}")


@pytest.fixture
def login() -> Iterator[dict[str, Any]]:
    """A user of the suite's own server whose password is the planted one."""
    server = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS planted")
        admin.execute(f"CREATE ROLE planted LOGIN PASSWORD '{PLANTED}'")
        yield {
            "host": server.hostname, "port": server.port, "dbname": server.path[1:], "user": "planted",
            "password": PLANTED,
        }  # fmt: skip
        admin.execute("DROP ROLE planted")


def asking(**parameters: Any) -> dict[str, Any]:
    return node("ask", "postgres", query="SELECT 1", **parameters)


def signing(**parameters: Any) -> dict[str, Any]:
    return node("sign", "crypto", operation="hmac", value="a", **parameters)


def definition(*nodes: dict[str, Any]) -> dict[str, Any]:
    ids = ["start", *(each["id"] for each in nodes)]
    edges = [edge(*pair) for pair in itertools.pairwise(ids)]
    return {"name": "Holds a secret", "nodes": [node("start", "manual_trigger"), *nodes], "edges": edges}


def version(workspace: Workspace, *nodes: dict[str, Any], of: Workflow | None = None) -> WorkflowVersion:
    """Store a version as an earlier release did."""
    workflow = of or save_workflow(workspace=workspace, definition=definition(node("no", "no_op")), by=None)
    assert workflow.latest_version is not None
    number = WorkflowVersion.objects.filter(workflow=workflow).count() + 1
    wanted = definition(*nodes)
    return WorkflowVersion.objects.create(
        workflow=workflow, number=number, nodes=wanted["nodes"], edges=wanted["edges"]
    )


def migrate() -> None:
    upgrade.move_secrets(apps, SimpleNamespace(connection=connection))


def parameters(row: WorkflowVersion) -> dict[str, Any]:
    row.refresh_from_db()
    return dict(row.nodes[1]["parameters"])


def everything_stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(string_agg(v::text, ' '), '') FROM executions_workflowversion v")
        return str(cursor.fetchone()[0])


# --- saving -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "holding",
    [
        asking(connection=FIELDS | {"password": PLANTED}),
        asking(connection=FIELDS | {"password": '{{ "' + PLANTED + '" }}'}),
        asking(connection=FIELDS | {"password": PLANTED + "{{ $json.x }}"}),
        asking(connection=URL),
        asking(connection=URL.replace("127.0.0.2", "{{ $json.host }}")),
        asking(connection=f"host=127.0.0.2 password={PLANTED}"),
        asking(connection=f"postgresql://127.0.0.2/orders?user=ada&password={PLANTED}"),
        signing(secret=PLANTED),
        signing(secret="{{ '" + PLANTED + "' }}"),
    ],
)
def test_a_secret_in_parameters_is_refused_when_saved(workspace: Workspace, holding: dict[str, Any]) -> None:
    admin = member("admin", workspace, Role.ADMIN)
    body = json.dumps(definition(holding) | {"workspace": str(workspace.pk)})
    answer = admin.post("/api/workflows/", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    problems = answer.json()["errors"]
    assert [each["code"] for each in problems] == ["literal_secret"]
    assert "credential" in problems[0]["message"]
    assert PLANTED not in answer.content.decode()
    assert PLANTED not in everything_stored()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fine",
    [
        asking(connection=FIELDS | {"password": "{{ $vars.password }}"}),
        asking(connection="postgresql://ada:{{ $json.password }}@127.0.0.2/orders"),
        asking(connection="{{ $json.url }}"),
        asking(connection=FIELDS),
        signing(secret="{{ $json.key }}"),
    ],
)
def test_an_expression_that_takes_it_from_elsewhere_is_saved(workspace: Workspace, fine: dict[str, Any]) -> None:
    workflow = save_workflow(workspace=workspace, definition=definition(fine), by=None)
    assert workflow.latest_version is not None
    assert fine["parameters"] in [node["parameters"] for node in workflow.latest_version.nodes]


@pytest.mark.django_db
def test_a_node_names_a_credential_of_its_own_type_and_workspace(workspace: Workspace) -> None:
    admin = member("admin", workspace, Role.ADMIN)
    other = Workspace.objects.create(name="Theirs", slug="theirs")
    data = {"type_": "postgres", "data": FIELDS | {"password": PLANTED}}
    credentials.create(workspace=other, by=None, name="theirs", **data)
    credentials.create(workspace=workspace, by=None, name="token", type_="bearer", data={"token": PLANTED})
    for name, code in (("theirs", "unknown_credential"), ("token", "credential_type")):
        for using in (asking(credential=name), signing(credential=name)):
            body = json.dumps(definition(using) | {"workspace": str(workspace.pk)})
            answer = admin.post("/api/workflows/", body, content_type="application/json")
            assert [each["code"] for each in answer.json()["errors"]] == [code]


# --- upgrading --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_secrets_of_every_stored_version_become_credentials(workspace: Workspace) -> None:
    other = Workspace.objects.create(name="Theirs", slug="theirs")
    given = FIELDS | {"password": PLANTED, "sslmode": "require"}
    first = version(workspace, asking(connection=given))
    old = [
        version(workspace, asking(connection=URL), of=first.workflow),
        version(workspace, asking(connection=given)),
    ]
    theirs = version(other, asking(connection=given))
    signed = version(workspace, signing(secret=PLANTED), node("other", "set", fields={"secret": "of the workflow"}))
    quoted = version(workspace, signing(secret='{{ "' + PLANTED + '" }}'))
    migrate()
    assert PLANTED not in everything_stored()
    assert "pl4nted" not in everything_stored()
    row = Credential.objects.get(workspace=workspace, type="postgres")
    assert parameters(first) == {"query": "SELECT 1", "credential": str(row.pk)}
    assert [parameters(each)["credential"] for each in old] == [str(row.pk)] * 2
    assert credentials.opened(row).fields.model_dump() == given
    assert parameters(theirs)["credential"] == str(Credential.objects.get(workspace=other).pk)
    key = Credential.objects.get(workspace=workspace, type="crypto")
    assert parameters(signed)["credential"] == parameters(quoted)["credential"] == str(key.pk)
    assert signed.nodes[2]["parameters"] == {"fields": {"secret": "of the workflow"}}
    assert PLANTED.encode() not in bytes(row.data) + bytes(key.data)
    before = everything_stored()
    migrate()
    assert everything_stored() == before
    assert Credential.objects.filter(workspace=workspace).count() == 2


@pytest.mark.django_db
def test_a_secret_comes_back_into_the_credential_that_has_it(workspace: Workspace) -> None:
    first = version(workspace, signing(secret=PLANTED))
    migrate()
    again = version(workspace, signing(secret=PLANTED))
    migrate()
    assert parameters(first) == parameters(again)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("connection_", "left"),
    [
        (FIELDS | {"host": "{{ $json.h }}", "password": PLANTED}, FIELDS | {"host": "{{ $json.h }}"}),
        ("postgresql://ada:" + "pl4nted" + "@{{ $json.h }}/orders", "postgresql://ada@{{ $json.h }}/orders"),
        (f"host=127.0.0.2 password={PLANTED}", "host=127.0.0.2 password=***"),
        (FIELDS | {"password": "{{ $json.password }}"}, FIELDS | {"password": "{{ $json.password }}"}),
        ("{{ $json.url }}", "{{ $json.url }}"),
        (None, None),
        (7, 7),
        ("postgresql://[::1/orders:" + PLANTED + "@", None),
    ],
)
def test_what_else_stood_there_stays(workspace: Workspace, connection_: Any, left: Any) -> None:
    row = version(workspace, asking(connection=connection_))
    migrate()
    assert "pl4nted" not in everything_stored()
    if left is not None:
        assert parameters(row)["connection"] == left


@pytest.mark.django_db
def test_many_versions_are_gone_through_in_batches(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "CHUNK", 3)
    rows = [version(workspace, signing(secret=PLANTED)) for _ in range(10)]
    migrate()
    assert len({parameters(row)["credential"] for row in rows}) == 1
    assert PLANTED not in everything_stored()


@COMMITS
def test_an_old_version_runs_on_with_the_credential(settings: Any, login: dict[str, Any]) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    workspace = Workspace.objects.create(name="Ours", slug="ours")
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(
        **login | {"password": quote(PLANTED, safe="")}
    )
    row = version(workspace, asking(connection=url), signing(secret=PLANTED))
    row.workflow.latest_version = row
    row.workflow.save()
    migrate()
    ran = run_here(create_execution(workflow=row.workflow, trigger=Trigger.MANUAL, input=[{}]))
    assert ran.status == "completed", ran.error
    assert PLANTED not in unquote(json.dumps([each.output for each in ran.node_runs.all()]))
    assert Credential.objects.filter(workspace=workspace, last_used_at__isnull=False).count() == 2
    Execution.objects.all().delete()


# --- the test of a credential -----------------------------------------------------------------------------------------


def tried(client: Client, row: Credential, url: str = "") -> Any:
    return client.post(f"/api/credentials/{row.pk}/test/", json.dumps({"url": url}), content_type="application/json")


@COMMITS
def test_trying_a_credential_says_only_whether_the_login_is_taken(settings: Any, login: dict[str, Any]) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    workspace = Workspace.objects.create(name="Ours", slug="ours")
    client = member("editor", workspace, Role.EDITOR)
    details = []
    for number, change in enumerate(
        ({}, {"dbname": "no-such"}, {"user": "no-such"}, {"port": 1}, {"host": "10.0.0.1"})
    ):
        row = credentials.create(workspace=workspace, by=None, name=str(number), type_="postgres", data=login | change)
        answer = tried(client, row, "http://127.0.0.2/steals")  # another place is not asked
        assert answer.status_code == 200
        assert not any(word in answer.content.decode() for word in ("no-such", "pl4nted", "127.0.0", "10.0.0"))
        details.append(answer.json()["detail"])
    assert details[0] == "The login succeeded."
    assert set(details[1:]) <= {"The server did not accept the connection.", "The server rejected the login."}


@pytest.mark.django_db
def test_what_is_sent_nowhere_cannot_be_tried(workspace: Workspace) -> None:
    client = member("editor", workspace, Role.EDITOR)
    key = credentials.create(workspace=workspace, by=None, name="key", type_="crypto", data={"secret": PLANTED})
    bare = credentials.create(workspace=workspace, by=None, name="bare", type_="postgres", data={"password": PLANTED})
    for row in (key, bare):
        answer = tried(client, row, "http://127.0.0.2/")
        assert answer.status_code == 400
        assert "pl4nted" not in answer.content.decode()
    stranger = member("stranger", Workspace.objects.create(name="T", slug="t"), Role.ADMIN)
    assert tried(stranger, key).status_code == 404
    assert encryption.decrypt(bytes(key.data))


# --- what other parameters hold ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_viewers_do_not_see_what_is_a_secret_by_its_name(workspace: Workspace, settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    headers = {"Authorization": f"Bearer {PLANTED}", "X-Api-Key": "{{ $json.key }}", "Accept": "text/plain"}
    url = f"https://8.8.8.8/a?token={quote(PLANTED)}&page=2&key={{{{ $json.key }}}}"
    holding = [
        node("ask", "http_request", url=url, headers=headers, query={"api_key": PLANTED, "page": 3}),
        node("send", "send_webhook", url="https://8.8.8.8/", headers={"X-Token": PLANTED}, body={"password": PLANTED}),
        node("put", "set", fields={"secret": PLANTED, "name": "ada", "listed": [{"name": "pwd", "value": PLANTED}]}),
    ]
    wanted = definition(*holding) | {
        "settings": {"vars": {"db_password": PLANTED, "town": "Bern"}, "sample_input": [{"token": PLANTED}]}
    }
    row = save_workflow(workspace=workspace, definition=wanted, by=None)
    viewer, editor = (member(role.value, workspace, role) for role in (Role.VIEWER, Role.EDITOR))
    path = f"/api/workflows/{row.pk}/"
    for route in (
        path,
        "/api/workflows/",
        f"{path}versions/",
        f"/workflows/{row.pk}/",
        f"/workflows/{row.pk}/?version=1",
    ):
        answer = viewer.get(route)
        assert answer.status_code == 200, route
        assert "pl4nted" not in answer.content.decode(), route
        assert "pl4nted" in editor.get(route).content.decode() or route == "/api/workflows/", route
    shown = viewer.get(path).json()
    ask, send, put = (each["parameters"] for each in shown["nodes"][1:])
    assert ask["headers"] == headers | {"Authorization": "***"}
    assert ask["url"] == "https://8.8.8.8/a?token=***&page=2&key={{ $json.key }}"
    assert (ask["query"], send["body"]) == ({"api_key": "***", "page": 3}, {"password": "***"})
    assert put["fields"] == {"secret": "***", "name": "ada", "listed": [{"name": "pwd", "value": "***"}]}
    assert shown["settings"]["vars"] == {"db_password": "***", "town": "Bern"}
    assert editor.get(path).json()["nodes"] == wanted["nodes"]


@pytest.mark.django_db
def test_names_of_credentials_stay_visible(workspace: Workspace) -> None:
    credentials.create(workspace=workspace, by=None, name="API", type_="bearer", data={"token": PLANTED})
    credentials.create(workspace=workspace, by=None, name="Hook", type_="webhook_secret", data={"secret": PLANTED})
    auth = {"type": "github", "credential": "Hook"}
    wanted = {
        "name": "Names them",
        "nodes": [
            node("hook", "webhook_trigger", path="named", auth=auth),
            node("ask", "http_request", url="https://8.8.8.8/", credential="API") | {"credentials": "API"},
            node("send", "send_webhook", url="https://8.8.8.8/", signing_credential="API"),
        ],
        "edges": [edge("hook", "ask"), edge("ask", "send")],
    }
    row = save_workflow(workspace=workspace, definition=wanted, by=None)
    viewer = member("viewer", workspace, Role.VIEWER)
    assert viewer.get(f"/api/workflows/{row.pk}/").json()["nodes"] == wanted["nodes"]

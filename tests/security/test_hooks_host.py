"""HOOKS_HOST: webhooks are answered at their own host and nothing else is; every answer there is sandboxed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.checks import run_checks
from pytest_django import Settings

from executions.api import hooks
from executions.waits import waits
from executions.workflows import definitions
from tests.conftest import Platform
from tests.engine import make_workflow
from tests.hooking import Hook
from tests.integration.test_pages import member
from tests.workflows import node
from workflow_platform.asgi import application
from workflow_platform.checks import check_deployment
from workflow_platform.core.accounts.models import Role
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.requests import hooks_host
from workflow_platform.serving import hook_responses

SANDBOX = {
    b"content-security-policy": b"sandbox",
    b"x-content-type-options": b"nosniff",
    b"cross-origin-resource-policy": b"same-origin",
}

PAGES = ["/", "/login/", "/api/schema/", "/static/css/base.css", "/healthz", "/hooks", "//hooks/x"]


@pytest.fixture
def own_host(settings: Settings) -> None:
    settings.HOOKS_HOST = "Hooks.example.net"
    settings.PUBLIC_URL = "https://flows.example.com"
    settings.ALLOWED_HOSTS = ["flows.example.com"]


async def ask(path: str, *hosts: str, app: Any = application, **more: Any) -> tuple[int, dict[bytes, bytes]]:
    """Send a request through the web process's application. Returns status and headers."""
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": path, "query_string": b"", "root_path": "",
        "headers": [(b"host", host.encode()) for host in hosts], "client": ("198.51.100.9", 1), "scheme": "http",
        **more,
    }  # fmt: skip
    server = ApplicationCommunicator(app, scope)
    await server.send_input({"type": "http.request", "body": b""})
    start = await server.receive_output(20)
    await server.receive_output(20)
    await server.wait(20)
    return start["status"], {name.lower(): value for name, value in start["headers"]}


@pytest.mark.usefixtures("own_host")
@pytest.mark.parametrize("host", ["hooks.example.net", "HOOKS.example.NET.", "hooks.example.net:8443"])
@pytest.mark.parametrize("path", PAGES)
async def test_nothing_but_webhooks_is_answered_at_their_host(host: str, path: str) -> None:
    status, headers = await ask(path, host)
    assert (status, headers[b"content-type"]) == (404, b"application/problem+json")
    assert headers.items() >= SANDBOX.items()


@pytest.mark.usefixtures("own_host")
async def test_a_second_host_header_opens_no_page_at_the_host_of_the_webhooks() -> None:
    assert (await ask("/healthz", "flows.example.com", "hooks.example.net"))[0] == 404


@pytest.mark.usefixtures("own_host")
@pytest.mark.django_db(transaction=True)
async def test_webhooks_are_answered_at_their_host_only() -> None:
    elsewhere = await ask("/hooks/resume/x", "flows.example.com")
    here = await ask("/hooks/resume/x", "hooks.example.net")
    for status, headers in (elsewhere, here):
        assert (status, headers.items() >= SANDBOX.items()) == (404, True)
    assert (await ask("/hooks/healthz", "hooks.example.net", root_path="/hooks"))[0] == 404
    assert (await ask("/healthz", "flows.example.com"))[0] == 200
    assert (await ask("/api/workspaces/", "stranger.example.net"))[0] == 400, "ALLOWED_HOSTS counts for the rest."


@pytest.mark.usefixtures("own_host")
async def test_there_are_no_websockets_at_the_host_of_the_webhooks() -> None:
    for path in ("/ws/", "/hooks/x"):
        scope = {"type": "websocket", "path": path, "headers": [(b"host", b"hooks.example.net")], "subprotocols": []}
        socket = ApplicationCommunicator(application, scope)
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output(20))["type"] == "websocket.close"
        await socket.wait(20)


async def test_a_failure_of_the_handler_is_answered_and_sandboxed() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        await hook_responses.respond_sandboxed(fails, scope, receive, send)

    status, headers = await ask("/hooks/x", "localhost", app=guarded)
    assert (status, headers.items() >= SANDBOX.items()) == (500, True)


async def test_a_malformed_header_that_comes_from_anywhere_costs_the_header_and_not_the_answer() -> None:
    async def careless(scope: Any, receive: Any, send: Any) -> None:
        named = [(b"X:Y", b"1"), (b"X-A", b"1\r\nX-B: 2"), (b"X-C", b"3"), (b"content-security-policy", b"none")]
        await send({"type": "http.response.start", "status": 200, "headers": named})
        await send({"type": "http.response.body", "body": b""})

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        await hook_responses.respond_sandboxed(careless, scope, receive, send)

    _, headers = await ask("/hooks/x", "localhost", app=guarded)
    assert headers == SANDBOX | {b"x-c": b"3"}


@pytest.mark.django_db
def test_the_urls_that_people_and_workflows_get_lead_to_the_host(settings: Settings) -> None:
    workflow = make_workflow([node("hook", "webhook_trigger", path="orders")], [])
    definitions.set_active(workflow, True, None)
    viewer, page = member("viewer", workflow.workspace, Role.VIEWER), f"/workflows/{workflow.pk}/"
    execution = uuid7()
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    settings.PUBLIC_URL = "http://flows.example.com:8000"
    assert hooks.listed(workflow)[0]["url"] == "http://flows.example.com:8000/hooks/orders"
    settings.HOOKS_HOST = "hooks.example.net"
    base = "http://hooks.example.net:8000/hooks/"
    (found,) = hooks.listed(workflow)
    assert (found["url"], found["test_url"]) == (f"{base}orders", f"{base}test/orders")
    assert viewer.get(f"/api{page}hooks/").json()[0]["url"] == f"{base}orders"
    assert f"{base}orders" in viewer.get(page).content.decode()
    assert waits.resume_url(execution).startswith(f"{base}resume/{execution}/")
    settings.HOOKS_HOST = "hooks.example.net:9000"
    assert hooks_host.hooks_url() == "http://hooks.example.net:9000"


def test_a_running_platform_answers_at_each_host_what_belongs_there(another: Callable[..., Platform]) -> None:
    started = another(HOOKS_HOST="hooks.example.net")
    hook, at_hooks = Hook(started), {"Host": "hooks.example.net"}
    assert hook.call(headers=at_hooks).status_code == 202
    assert hook.call(headers=at_hooks, test=True).status_code == 200
    assert hook.call().status_code == 404
    url = started.request("GET", f"/api/workflows/{hook.workflow}/hooks/").json()[0]["url"]
    assert url == f"http://hooks.example.net:{started.url.rpartition(':')[2]}/hooks/{hook.path}"
    assert started.request("GET", "/api/workflows/", headers=at_hooks).status_code == 404
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert started.request("GET", "/ws/", headers=upgrade | at_hooks).status_code == 403


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("https://hooks.example.net", "is not a host name"), ("hooks.example.net/hooks", "is not a host name"),
        ("a b", "is not a host name"), ("Flows.example.com", "must not be the host of PUBLIC_URL"),
        ("flows.example.com:9000", "must not be the host of PUBLIC_URL"), ("hooks.example.net:9000", None),
    ],
)  # fmt: skip
def test_a_host_that_cannot_be_meant_is_refused_at_start(settings: Settings, host: str, said: str | None) -> None:
    settings.HOOKS_HOST, settings.PUBLIC_URL = host, "https://flows.example.com"
    found = [error.msg for error in run_checks() if "HOOKS_HOST" in error.msg]
    assert (said in found[0]) if said else not found


def test_the_deployment_check_recommends_the_host(settings: Settings) -> None:
    (warning,) = check_deployment(None)
    assert (warning.id, "HOOKS_HOST" in warning.msg) == ("platform.W001", True)
    assert warning in run_checks(include_deployment_checks=True)
    settings.HOOKS_HOST = "hooks.example.net"
    assert check_deployment(None) == []

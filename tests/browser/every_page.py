"""Every page of the platform, from the URL configuration, and what there is to see on each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import requests
from django.urls import URLPattern, URLResolver, get_resolver

from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.people import Person
from tests.workflows import edge, node

OTHER = re.compile(
    r"^(admin|api|hooks)/(?!docs/$)|^(healthz|readyz|metrics|favicon\.ico)$"  # answers to programs, and Django's pages
    r"|/(rows|count|queue|state|now|hook-requests)/$|^logout/$|^workspaces/choose/$"  # parts of pages, forms' targets
)


def addresses(patterns: list[Any] | None = None, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the route of each page."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and not OTHER.search(route):
            yield str(pattern.name), route


def paths_by_page(platform: Platform) -> dict[str, str]:
    """Make something to see on each page. Returns a path for each page by its name."""
    request = platform.request
    nodes = [
        node("start", "webhook_trigger", path="every-page"),
        node("double", "set", fields={"n": "{{ $json.n * 2 }}"}),
        node("each", "loop", batch_size=1),
        node("seen", "no_op"),
        node("ask", "approval", message="Pay the invoice?"),
        node("check", "code", code="throw new Error('too small')"),
    ]
    edges = [
        edge("start", "double"), edge("double", "each"), edge("each", "seen", "loop"), edge("seen", "each"),
        edge("each", "check", "done"), edge("double", "ask"),
    ]  # fmt: skip
    workflow = save(platform, nodes, edges, name="Every page")
    request("POST", f"/api/workflows/{workflow}/activate/", json={})
    request("POST", "/api/credentials/", json={"name": "A login", "type": "bearer", "data": {"token": "x"}})
    endpoint = {"name": "Receiver", "url": "http://127.0.0.2:8079/", "event_types": ["execution.failed"]}
    endpoint_id = request("POST", "/api/webhooks/endpoints/", json=endpoint).json()["id"]
    request("POST", "/api/webhooks/endpoints/", json=endpoint | {"name": "Switched off", "active": False})
    requests.post(f"{platform.url}/hooks/every-page", json={"n": 1}, timeout=60).raise_for_status()
    execution = execute(platform, workflow, {"n": 1})
    until(platform, execution, "failed", "waiting")
    workspace = first(platform, "/api/workspaces/")["id"]
    ids = {
        "workflow_id": workflow,
        "execution_id": execution,
        "endpoint_id": endpoint_id,
        "workspace_id": workspace,
        "delivery_id": request("POST", "/api/webhooks/deliveries/", json={"url": endpoint["url"]}).json()["id"],
        "request_id": first(platform, "/api/webhooks/inbound/")["id"],
        "token": invited(platform),
    }
    queries = {"trace-page": f"?delivery={ids['delivery_id']}"}
    return {
        name: "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], route) + queries.get(name, "")
        for name, route in addresses()
    }


def invited(platform: Platform) -> str:
    """Invite the admin to a workspace of another user. Returns the token of the invitation."""
    host = Person(platform, None)
    workspace = host.request("POST", "/api/workspaces/", json={"name": "Elsewhere"}).json()["id"]
    body = {"username": "admin", "role": "viewer"}
    return str(host.request("POST", f"/api/workspaces/{workspace}/invitations/", json=body).json()["token"])


def first(platform: Platform, path: str) -> dict[str, Any]:
    """Return the first row of a list."""
    return dict(platform.request("GET", path).json()["results"][0])

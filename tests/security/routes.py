"""Every address of the platform, and who may ask for it: `ROUTES`, which a test compares with the URL resolver.

A new address needs a line here. In paths, queries and bodies `{kind}` stands for the id of an object of that kind, as
`tests.security.worlds` makes one: the tests put in ids of one's own, of another workspace, and of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

OPEN, VIEWER, EDITOR, ADMIN = "open", "viewer", "editor", "admin"
ADDRESSEE = "addressee"
"""Only the one user that an invitation is for, whatever their role."""
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Access:
    """Who may ask with a method, and what: `role` at least. Below it: 403, or 404 where the object is `hidden`."""

    role: str = VIEWER
    body: Any = None
    """Valid, so that only who asks makes the difference."""
    foreign: tuple[Any, ...] = ()
    """Queries, or bodies, that name what may belong to another workspace."""
    hidden: bool = False


def _in(role: str, **body: Any) -> Access:
    """Return the access of a POST that makes something in a workspace, which may be that of others."""
    return Access(role, {"workspace": "{workspace}"} | body, foreign=({"workspace": "{workspace}"} | body,))


_GRAPH = {"nodes": [{"id": "a", "name": "A", "type": "manual_trigger", "parameters": {}}], "edges": []}
_RECEIVER = {"url": "https://example.com/", "event_types": ["*"]}
_SECRET = {"name": "New", "type": "bearer", "data": {"token": "new"}}
_SINCE = {"since": "2020-01-01T00:00:00Z"}
_TIMES = "since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z"


def _asking(credential: str) -> dict[str, Any]:
    """Return a graph whose request uses a credential."""
    request = {"id": "b", "name": "B", "type": "http_request", "parameters": {
        "method": "GET", "url": "https://example.com/", "credential": credential}}  # fmt: skip
    edges = [{"source": "a", "target": "b"}]
    return {"nodes": [*_GRAPH["nodes"], request], "edges": edges}


def _starting(workflow: str) -> dict[str, Any]:
    """Return a graph that starts a workflow."""
    start = {"id": "b", "name": "B", "type": "execute_workflow", "parameters": {"workflow": workflow}}
    return {"nodes": [*_GRAPH["nodes"], start], "edges": [{"source": "a", "target": "b"}]}


_GRAPHS = (_asking("{credential}"), _starting("{workflow}"))
_EVENTS = ("execution={execution}", "workflow={workflow}", "stream=execution:{execution}", "stream=workflow:{workflow}")
_DELIVERIES = ("endpoint={endpoint}", "execution={execution}", "workflow={workflow}", "operation={operation}",
               "event_id={event}")  # fmt: skip
_CHOSEN = tuple(
    {"kind": kind, "filter": chosen}
    for kind in ("cancel", "redeliver")
    for chosen in ({"ids": ["{delivery}"]}, {"endpoint": ["{endpoint}"]}, {"execution": "{execution}"})
)
_NAMED = {"type": "endpoint", "endpoint": "{endpoint}"}

API: dict[str, dict[str, Access]] = {
    "/api/auth/token/": {"post": Access(OPEN)},
    "/api/auth/token/refresh/": {"post": Access(OPEN)},
    "/api/auth/token/revoke/": {"post": Access(OPEN)},
    "/api/auth/me/": {"get": Access()},
    "/api/session/": {"get": Access(OPEN)},
    "/api/account/": {"get": Access(), "patch": Access(body={}, foreign=({"default_workspace": "{workspace}"},))},
    "/api/account/password/": {"post": Access(body={"current_password": "wrong", "new_password": "another"})},
    "/api/account/end-sessions/": {"post": Access(body={"end_tokens": False})},
    "/api/account/sessions/": {"get": Access()},
    "/api/account/sessions/{session}/": {"delete": Access(ADMIN, hidden=True)},
    "/api/invitations/{token}/": {"get": Access(ADDRESSEE, hidden=True)},
    "/api/invitations/{token}/accept/": {"post": Access(ADDRESSEE, hidden=True)},
    "/api/schema/": {"get": Access(OPEN)},
    "/api/docs/": {"get": Access(OPEN)},
    "/api/asyncapi/": {"get": Access(OPEN)},
    "/api/metrics/": {"get": Access(OPEN)},  # from this machine; tests/security/test_probes.py tries others
    "/api/node-types/": {"get": Access()},
    "/api/event-types/": {"get": Access()},
    "/api/credential-types/": {"get": Access()},
    "/api/workspaces/": {"get": Access(), "post": Access(body={"name": "Another"})},
    "/api/workspaces/{workspace}/": {
        "get": Access(), "patch": Access(ADMIN, {"name": "Renamed"}), "delete": Access(ADMIN),
    },
    "/api/workspaces/{workspace}/hand-over/": {"post": Access(ADMIN, {"member": 1})},
    "/api/workspaces/{workspace}/audit/": {"get": Access(ADMIN)},
    "/api/workspaces/{workspace}/deletion/": {"get": Access(ADMIN), "post": Access(ADMIN, {"name": "Not its name"})},
    "/api/workspaces/{workspace}/automatic-advice/": {"get": Access(), "put": Access(ADMIN, {"kinds": []})},
    "/api/workspaces/{workspace}/members/": {"get": Access(ADMIN)},
    "/api/workspaces/{workspace}/members/me/": {"delete": Access()},
    "/api/workspaces/{workspace}/invitations/": {
        "get": Access(ADMIN), "post": Access(ADMIN, {"username": "somebody", "role": "viewer"}),
    },
    "/api/workspaces/{workspace}/invitations/{invitation}/": {"get": Access(ADMIN), "delete": Access(ADMIN)},
    "/api/workspaces/{workspace}/invitations/{invitation}/renew/": {"post": Access(ADMIN)},
    "/api/workspaces/{workspace}/members/{member}/": {
        "get": Access(ADMIN), "patch": Access(ADMIN, {"role": "viewer"}), "delete": Access(ADMIN),
    },
    "/api/tokens/": {"get": Access(), "post": Access(body={"name": "Mine"})},
    "/api/tokens/{token}/": {"get": Access(ADMIN, hidden=True), "delete": Access(ADMIN, hidden=True)},
    "/api/workflows/": {
        "get": Access(),
        "post": Access(EDITOR, {"workspace": "{workspace}", "name": "New", **_GRAPH}, foreign=(
            {"workspace": "{workspace}", "name": "New", **_GRAPH}, *({"name": "New", **graph} for graph in _GRAPHS))),
    },
    "/api/workflows/validate/": {"post": Access(body=_GRAPH, foreign=_GRAPHS)},
    "/api/workflows/{workflow}/": {
        "get": Access(),
        "put": Access(EDITOR, {"name": "Ours", **_GRAPH}),
        "patch": Access(EDITOR, {"name": "Ours"}),
        "delete": Access(EDITOR),
    },
    "/api/workflows/{workflow}/activate/": {"post": Access(EDITOR)},
    "/api/workflows/{workflow}/deactivate/": {"post": Access(EDITOR)},
    "/api/workflows/{workflow}/details/": {"patch": Access(EDITOR, {"name": "New"})},
    "/api/workflows/{workflow}/clone/": {"post": Access(EDITOR)},
    "/api/workflows/{workflow}/hooks/": {"get": Access()},
    "/api/workflows/{workflow}/execute/": {"post": Access(EDITOR, {})},
    "/api/workflows/{workflow}/schedules/": {"get": Access()},
    "/api/workflows/{workflow}/validate/": {"post": Access(body={})},
    "/api/workflows/{workflow}/static-data/": {
        "get": Access(EDITOR), "put": Access(EDITOR, {"global": {"n": 1}}), "delete": Access(EDITOR)},
    "/api/workflows/{workflow}/node-groups/": {"get": Access(), "put": Access(body={"own": [], "collapsed": []})},
    "/api/workflows/{workflow}/statistics/": {"get": Access()},
    "/api/workflows/{workflow}/versions/": {"get": Access()},
    "/api/workflows/{workflow}/versions/{number}/": {"get": Access()},
    "/api/search/": {"get": Access(foreign=("recent={workflow},{execution},{endpoint}", "q={execution}"))},
    "/api/schedules/preview/": {"post": Access(body={"cron": "0 9 * * *"})},
    "/api/credentials/": {"get": Access(), "post": _in(ADMIN, **_SECRET)},
    "/api/credentials/{credential}/": {
        "get": Access(EDITOR, hidden=True),
        "patch": Access(ADMIN, {"description": "Changed"}, hidden=True),
        "delete": Access(ADMIN, hidden=True),
    },
    "/api/credentials/{credential}/test/": {"post": Access(EDITOR, {"url": "http://127.0.0.1:9/"}, hidden=True)},
    "/api/executions/": {
        "get": Access(foreign=("workflow={workflow}", "rerun_of={execution}", "workspace={workspace}"))
    },
    "/api/executions/bulk/": {
        "get": Access(foreign=("workspace={workspace}",)),
        "post": Access(
            EDITOR,
            {"workspace": "{workspace}", "kind": "cancel", "filter": {"ids": ["{execution}"]}},
            foreign=({"workspace": "{workspace}", "kind": "cancel", "filter": {"ids": ["{execution}"]}},),
        ),
    },
    "/api/executions/bulk/{bulk}/": {"get": Access()},
    "/api/executions/bulk/{bulk}/cancel/": {"post": Access(EDITOR)},
    "/api/executions/columns/": {"get": Access(), "put": Access(body={"columns": ["queued"]})},
    "/api/executions/failures/": {"get": Access(foreign=("workflow={workflow}", "workspace={workspace}"))},
    "/api/executions/names/": {"get": Access(foreign=("execution={execution}",))},
    "/api/executions/rerun/": {
        "post": Access(body={"ids": ["{execution}"]}, foreign=(
            {"ids": ["{execution}"], "dry_run": False}, {"workflow": "{workflow}", "dry_run": False})),
    },
    "/api/executions/views/": {
        "get": Access(),
        "post": Access(
            VIEWER, {"workspace": "{workspace}", "name": "Of a test"},
            foreign=({"workspace": "{workspace}", "name": "Of a test"},),
        ),
    },
    "/api/executions/views/{view}/": {
        "get": Access(), "patch": Access(ADMIN, {"shared": True}), "delete": Access(ADMIN),
    },
    "/api/executions/{execution}/": {"get": Access()},
    "/api/executions/{execution}/binaries/{binary}/": {"get": Access()},
    "/api/executions/{execution}/cancel/": {"post": Access(EDITOR, {})},
    "/api/executions/{execution}/events/": {"get": Access()},
    "/api/executions/{execution}/expected/": {"get": Access()},
    "/api/executions/{execution}/flows/": {"get": Access()},
    "/api/executions/{execution}/nodes/": {"get": Access()},
    "/api/executions/{execution}/nodes/{node}/children/": {"get": Access()},
    "/api/executions/{execution}/nodes/{node}/logs/": {"get": Access()},
    "/api/executions/{execution}/nodes/{node}/output/": {"get": Access()},
    "/api/executions/{execution}/nodes/{node}/similar-failures/": {"get": Access()},
    "/api/executions/{execution}/pause/": {"post": Access(EDITOR, {})},
    "/api/executions/{execution}/rerun/": {"post": Access(EDITOR, {})},
    "/api/executions/{execution}/resume/": {"post": Access(EDITOR, {})},
    "/api/executions/{execution}/stream/": {"get": Access()},
    "/api/executions/{execution}/timeline/": {"get": Access()},
    "/api/executions/{execution}/critical-path/": {"get": Access()},
    "/api/executions/{execution}/critical-path/stretches/": {"get": Access()},
    "/api/executions/{execution}/trace/": {"get": Access()},
    "/api/trace/": {
        "get": Access(foreign=tuple(f"{kind}={{{kind}}}" for kind in ("execution", "delivery", "inbound", "event"))),
    },
    "/api/approvals/": {
        "get": Access(foreign=(
            "execution={execution}", "execution={execution}&show=all", "workspace={workspace}&show=all",
        )),
    },
    "/api/approvals/{approval}/": {"get": Access()},
    "/api/approvals/{approval}/items/": {"get": Access()},
    "/api/approvals/{approval}/decide/": {"post": Access(EDITOR, {"decision": "approved"})},
    "/api/insights/": {"get": Access(foreign=("workspace={workspace}", "workflow={workflow}"))},
    "/api/insights/now/": {"get": Access(foreign=("workspace={workspace}",))},
    "/api/insights/{insight}/": {"get": Access()},
    "/api/insights/{insight}/outcome/": {"get": Access()},
    "/api/insights/{insight}/apply/": {"post": Access(EDITOR)},
    "/api/insights/{insight}/undo/": {"post": Access(EDITOR)},
    "/api/insights/{insight}/dismiss/": {"post": Access(EDITOR)},
    "/api/notifications/": {"get": Access(foreign=("workspace={workspace}", "workspace={workspace}&unread=true"))},
    "/api/notifications/count/": {"get": Access()},
    "/api/notifications/read/": {
        "post": Access(body={"ids": ["{notification}"]},
                       foreign=({"ids": ["{notification}"]}, {"through": "{notification}"})),
    },
    "/api/account/notifications/": {
        "get": Access(),
        "patch": Access(body={"in_page": True}, foreign=(
            {"mute": ["{workflow}"]}, {"unmute": ["{workflow}"]},
            {"workspaces": [{"workspace": "{workspace}", "inherit": True}]})),
    },
    "/api/events/": {
        "get": Access(foreign=(*_EVENTS, "workspace={workspace}", *(f"{each}&format=ndjson" for each in _EVENTS))),
    },
    "/api/events/export/": {"get": Access(foreign=("stream=execution:{execution}", "stream=workflow:{workflow}"))},
    "/api/events/stream/": {
        "get": Access(foreign=(
            "stream=execution:{execution}", "stream=workflow:{workflow}", "stream=replay:{replay}",
            "stream=executions&stream=execution:{execution}", "stream=execution:{execution}&format=ndjson&after=-5")),
    },
    "/api/events/replay/": {
        "post": Access(body={"filter": {}, "at_once": True}, foreign=(
            {"filter": {"execution": "{execution}"}, "delay_ms": 0},
            {"filter": {"workflow": "{workflow}"}, "delay_ms": 0},
            {"filter": {"streams": ["execution:{execution}"]}, "delay_ms": 0},
            {"filter": {}, "delay_ms": 0, "target": _NAMED})),
    },
    "/api/events/replays/": {"get": Access(foreign=("execution={execution}",))},
    "/api/events/replays/{replay}/": {"get": Access()},
    "/api/events/replays/{replay}/cancel/": {"post": Access(EDITOR)},
    "/api/events/replays/{replay}/pause/": {"post": Access(EDITOR)},
    "/api/events/replays/{replay}/resume/": {"post": Access(EDITOR)},
    "/api/events/replays/{replay}/seek/": {"post": Access(EDITOR, {"sequence": 0})},
    "/api/events/replays/{replay}/speed/": {"post": Access(EDITOR, {"speed": 1})},
    "/api/webhooks/retry-presets/": {"get": Access()},
    "/api/webhooks/retry-presets/preview/": {"post": Access(body={})},
    "/api/webhooks/endpoints/": {
        "get": Access(foreign=("workspace={workspace}", "workflow={workflow}")),
        "post": Access(ADMIN, {"workspace": "{workspace}", **_RECEIVER}, foreign=(
            {"workspace": "{workspace}", **_RECEIVER}, {"workflow": "{workflow}", **_RECEIVER})),
    },
    "/api/webhooks/endpoints/{endpoint}/": {
        "get": Access(),
        "put": Access(ADMIN, _RECEIVER),
        "patch": Access(ADMIN, {"description": "Changed"}),
        "delete": Access(ADMIN),
    },
    "/api/webhooks/endpoints/{endpoint}/enable/": {"post": Access(ADMIN)},
    "/api/webhooks/endpoints/{endpoint}/pause/": {"post": Access(ADMIN)},
    "/api/webhooks/endpoints/{endpoint}/resume/": {"post": Access(ADMIN)},
    "/api/webhooks/endpoints/{endpoint}/rotate-secret/": {"post": Access(ADMIN, {})},
    "/api/webhooks/endpoints/{endpoint}/recover/": {"post": Access(EDITOR, _SINCE)},
    "/api/webhooks/endpoints/{endpoint}/replay/": {"post": Access(EDITOR, _SINCE)},
    "/api/webhooks/endpoints/{endpoint}/test/": {"post": Access(EDITOR, {})},
    "/api/webhooks/deliveries/": {
        "get": Access(foreign=_DELIVERIES),
        "post": _in(EDITOR, url="https://example.com/"),
    },
    "/api/webhooks/deliveries/stats/": {
        "get": Access(foreign=(f"endpoint={{endpoint}}&{_TIMES}", f"workspace={{workspace}}&{_TIMES}")),
    },
    "/api/webhooks/deliveries/{delivery}/": {"get": Access()},
    "/api/webhooks/deliveries/{delivery}/attempts/": {"get": Access()},
    "/api/webhooks/deliveries/{delivery}/cancel/": {"post": Access(EDITOR)},
    "/api/webhooks/deliveries/{delivery}/redeliver/": {"post": Access(EDITOR)},
    "/api/webhooks/operations/": {
        "get": Access(foreign=("endpoint={endpoint}",)),
        "post": Access(
            EDITOR,
            {"workspace": "{workspace}", "kind": "cancel", "filter": _SINCE},
            foreign=(*_CHOSEN, {"workspace": "{workspace}", "kind": "cancel", "filter": _SINCE}),
        ),
    },
    "/api/webhooks/operations/{operation}/": {"get": Access()},
    "/api/webhooks/operations/{operation}/cancel/": {"post": Access(EDITOR)},
    "/api/webhooks/inbound/": {"get": Access(foreign=("workflow={workflow}", "execution={execution}"))},
    "/api/webhooks/inbound/{inbound}/": {"get": Access()},
    "/api/webhooks/reconciliation/": {"get": Access(foreign=("endpoint={endpoint}",))},
    "/api/webhooks/reconciliation/check/": {
        "post": Access(EDITOR, {"endpoint": "{endpoint}", "hour": "2026-01-01T00:00:00Z"},
                       foreign=({"endpoint": "{endpoint}", "hour": "2026-01-01T00:00:00Z", "repair": True},)),
    },
    "/api/webhooks/reconciliation/violations/": {"get": Access(foreign=("endpoint={endpoint}",))},
}  # fmt: skip
PAGES: dict[str, tuple[str, ...]] = {
    "/": ("?workflow={workflow}", "?workspace={workspace}"),
    "/workflows/": (),
    "/workflows/{workflow}/": (),
    "/workflows/{workflow}/hook-requests/": (),
    "/executions/rows/": ("?ids={execution}", "?new={execution}", "?workflow={workflow}"),
    "/executions/count/": ("?workflow={workflow}",),
    "/executions/failures/": ("?workflow={workflow}", "?workspace={workspace}"),
    "/executions/{execution}/": (),
    "/executions/{execution}/queue/": (),
    "/executions/{execution}/trace/": (),
    "/trace/": ("?delivery={delivery}", "?inbound={inbound}", "?event={event}"),
    "/account/": (),
    "/account/tokens/": (),
    "/workspaces/": (),
    "/workspaces/{workspace}/": (),
    "/notifications/": ("?workspace={workspace}",),
    "/insights/": ("?workspace={workspace}", "?show=settled"),
    "/insights/now/": ("?workspace={workspace}",),
    "/approvals/": ("?show=all", "?show=open"),
    "/credentials/": (),
    "/events/": ("?execution={execution}", "?workflow={workflow}"),
    "/webhooks/": ("?endpoint={endpoint}", "?workspace={workspace}"),
    "/webhooks/endpoints/{endpoint}/": (),
    "/webhooks/deliveries/": ("?endpoint={endpoint}", "?execution={execution}", "?workflow={workflow}"),
    "/webhooks/deliveries/{delivery}/": (),
    "/webhooks/deliveries/{delivery}/state/": (),
    "/webhooks/inbound/": ("?workflow={workflow}", "?execution={execution}"),
    "/webhooks/inbound/{inbound}/": (),
    "/webhooks/reconciliation/": ("?endpoint={endpoint}",),
}
"""Pages for people with a session, each with queries that name what may belong to another workspace."""
OPEN_TO_ALL = {
    "/login/", "/logout/", "/healthz", "/readyz", "/metrics", "/hooks/{path}", "/hooks/test/{path}",
    "/hooks/resume/{execution}/{signature}", "/invitations/{token}/", "/workspaces/choose/", "/favicon.ico",
    "/notifications/emails/{token}/",
}  # fmt: skip
"""Without a session or a token: they have tests of their own."""
_KINDS = {"workspace_id": "workspace", "execution_id": "execution", "workflow_id": "workflow",
          "endpoint_id": "endpoint", "delivery_id": "delivery", "request_id": "inbound",
          "reference": "binary", "session_id": "session"}  # fmt: skip
OF_PATHS = {
    "approvals": "approval", "insights": "insight", "binaries": "binary", "bulk": "bulk", "credentials": "credential",
    "deliveries": "delivery", "endpoints": "endpoint", "executions": "execution", "inbound": "inbound",
    "invitations": "invitation", "members": "member", "nodes": "node", "operations": "operation",
    "replays": "replay", "tokens": "token", "versions": "number", "views": "view", "workflows": "workflow",
    "workspaces": "workspace",
}  # fmt: skip
"""The kind of object that a path names, by what stands before the id."""


def resolved() -> Iterator[tuple[str, set[str]]]:
    """Yield every address that the resolver knows, without the admin site, and the methods that it takes."""
    for path, view in views():
        yield _named(path), _methods(view)


def views() -> Iterator[tuple[str, Any]]:
    """Yield the pattern of every address, without the admin site, and its view."""
    for path, pattern in _walk(get_resolver().url_patterns, "/"):
        if not path.startswith("/admin/"):
            yield path, pattern.callback


def _walk(patterns: list[Any], before: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = before + re.sub(r"[\^$]", "", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path, pattern


def _named(path: str) -> str:
    """Return the path with `{kind}` in place of its parameters."""
    path = re.sub(r"\(\?P<(\w+)>(?:\[[^\]]*\]|[^()])*\)", r"{\1}", re.sub(r"<(?:\w+:)?(\w+)>(?!\[|\\)", r"{\1}", path))
    path = re.sub(r"(\w+)/\{pk\}", lambda found: f"{found[1]}/{{{OF_PATHS[found[1]]}}}", path)
    return re.sub(r"\{(\w+)\}", lambda found: f"{{{_KINDS.get(found[1], found[1])}}}", path)


def _methods(view: Any) -> set[str]:
    actions = getattr(view, "actions", None)
    if actions is not None:
        return set(actions) & set(METHODS)
    kind = getattr(view, "cls", None)
    return {name for name in METHODS if hasattr(kind, name)} if kind is not None else {"get"}


def filled(template: Any, ids: dict[str, str]) -> Any:
    """Return a path, query or body with ids in place of `{kind}`."""
    if isinstance(template, dict):
        return {name: filled(value, ids) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [filled(value, ids) for value in template]
    return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], template) if isinstance(template, str) else template

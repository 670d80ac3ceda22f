"""A workspace with one of everything in it, and its people, made in this process as the API makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.test import Client
from django.utils import timezone

from executions.binaries import BinaryWriter
from executions.models import Execution, Insight, InsightKind, Notification, NotificationKind, Wait
from tests.engine import run_here
from tests.workflows import edge, node
from webhooks.models import InboundRequest
from workflow_platform.core.accounts.models import ApiToken, BrowserSession, Membership, Role, User, Workspace


@dataclass
class World:
    """A workspace, the API token of each of its people by role, and the ids of what is in it, by kind."""

    workspace: Workspace
    tokens: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        """Return a text that only this workspace holds."""
        return f"secret-of-{self.workspace.slug}"

    def request(self, method: str, path: str, body: Any = None, role: str = "admin") -> Any:
        """Return the answer of the API to one of the workspace's people."""
        return ask(self.tokens[role], method, path, body)

    def made(self, path: str, body: Any) -> dict[str, Any]:
        """Return what a POST makes."""
        answer = self.request("POST", path, body)
        assert answer.status_code in {200, 201, 202}, answer.content
        return dict(answer.json())


def ask(token: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Return the answer of the API to a token; to nobody if it is empty."""
    said = {"Authorization": f"Bearer {token}"} if token else {}
    data = {} if body is None else {"data": body, "content_type": "application/json"}
    return Client(raise_request_exception=False, headers=said | headers).generic(method.upper(), path, **_encoded(data))


def _encoded(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"data": orjson.dumps(data["data"])} if data else {}


def make_world(name: str) -> World:
    """Make a workspace and everything that can be in one."""
    workspace = Workspace.objects.create(slug=name, name=name.title())
    tokens = {}
    for role in Role:
        user = User.objects.create_user(f"{name}-{role.value}", password="a-password-for-tests")
        Membership.objects.create(user=user, workspace=workspace, role=role)
        tokens[role.value] = ApiToken.issue(user, "tests")[1]
    world = World(workspace, tokens)
    _fill_workflows(world)
    _fill_webhooks(world)
    return world


def _fill_workflows(world: World) -> None:
    secret = {
        "name": "Of ours",
        "type": "bearer",
        "data": {"token": world.secret},
        "workspace": str(world.workspace.pk),
    }
    nodes = [node("start", "manual_trigger"), node("ask", "approval", message="Ours?")]
    graph = {"name": "Ours", "nodes": nodes, "edges": [edge("start", "ask")], "workspace": str(world.workspace.pk)}
    workflow = world.made("/api/workflows/", graph)
    execution = world.made(f"/api/workflows/{workflow['id']}/execute/", {"input": [{"secret": world.secret}]})
    run_here(Execution.objects.get(pk=execution["id"]))
    file = BinaryWriter(world.workspace.pk, "ours.txt", "text/plain", UUID(execution["id"]))
    file.write(world.secret.encode())
    events = world.request("GET", f"/api/executions/{execution['id']}/events/").json()["events"]
    replay = world.made("/api/events/replay/", {"filter": {"execution": execution["id"]}, "at_once": True})
    offer = {"username": "somebody-else", "role": "viewer"}
    invitation = world.made(f"/api/workspaces/{world.workspace.pk}/invitations/", offer)
    view = {"name": "Ours", "shared": True, "workspace": str(world.workspace.pk)}
    none = {"ids": [execution["id"]], "status": ["completed"]}
    bulk = {"kind": "delete", "filter": none, "dry_run": False, "workspace": str(world.workspace.pk)}
    world.ids |= {
        "workspace": str(world.workspace.pk),
        "view": world.made("/api/executions/views/", view)["id"],
        "bulk": world.made("/api/executions/bulk/", bulk)["operation"]["id"],
        "workflow": workflow["id"],
        "version": world.request("GET", f"/api/workflows/{workflow['id']}/versions/").json()["results"][0]["id"],
        "execution": execution["id"],
        "binary": str(file.complete().reference),
        "node": "ask",
        "number": "1",
        "event": events[0]["id"],
        "approval": str(Wait.objects.get(execution=execution["id"]).pk),
        "credential": world.made("/api/credentials/", secret)["id"],
        "replay": replay["id"],
        "invitation": invitation["id"],
        "notification": str(_notification(world, workflow["id"], execution["id"]).pk),
        "insight": str(_insight(world, workflow["id"]).pk),
        "member": str(Membership.objects.get(workspace=world.workspace, role=Role.VIEWER).pk),
        "token": str(ApiToken.objects.get(user__username=f"{world.workspace.slug}-admin").pk),
        "session": str(_session(User.objects.get(username=f"{world.workspace.slug}-admin")).pk),
    }


def _notification(world: World, workflow: str, execution: str) -> Notification:
    return Notification.objects.create(
        recipient=User.objects.get(username=f"{world.workspace.slug}-admin"), kind=NotificationKind.FAILED,
        workspace=world.workspace, needs=Role.VIEWER, event_id=uuid4(), happened_at=timezone.now(),
        workflow_id=workflow, execution_id=execution, subject=world.secret,
    )  # fmt: skip


def _insight(world: World, workflow: str) -> Insight:
    return Insight.objects.create(
        workspace=world.workspace, workflow_id=workflow, kind=InsightKind.SLOW_NODE, key=f"slow_node:{workflow}",
        subject={"workflow": workflow, "name": world.secret, "node": "ask", "label": "ask"},
        evidence={"n": 5, "span_s": 60}, figure={"value": 3.0, "unit": "s", "text": world.secret},
    )  # fmt: skip


def _session(user: User) -> BrowserSession:
    browser = Client()
    browser.force_login(user)
    key = browser.session.session_key
    return BrowserSession.objects.create(session_id=key, user=user, device="Firefox on Linux", network="192.0.2.0/24")


def _fill_webhooks(world: World) -> None:
    place = {"workspace": str(world.workspace.pk)}
    receiver = {"url": "https://example.com/", "event_types": ["*"], "active": False} | place
    message = {"url": "https://example.com/", "body": world.secret} | place
    delivery = world.made("/api/webhooks/deliveries/", message)["id"]
    cancel = {"kind": "cancel", "filter": {"ids": [delivery]}, "dry_run": False} | place
    came = InboundRequest.objects.create(
        workspace=world.workspace, method="POST", path="of-ours", accepted=False, status_code=401
    )
    world.ids |= {
        "endpoint": world.made("/api/webhooks/endpoints/", receiver)["id"],
        "delivery": delivery,
        "operation": world.made("/api/webhooks/operations/", cancel)["operation"]["id"],
        "inbound": str(came.pk),
    }

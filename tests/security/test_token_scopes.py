"""What an API token of each scope may do: no more than its scope, and no more than the role of its user."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.security.routes import API, OPEN, filled
from tests.security.worlds import ask
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, TokenScope, User, Workspace

READ, RUN, EDIT, ADMIN = TokenScope
CHECKS = {"/api/workflows/validate/", "/api/workflows/{workflow}/validate/", "/api/schedules/preview/",
          "/api/webhooks/retry-presets/preview/"}  # fmt: skip
"""POSTs that change nothing."""
RUNS = {
    "/api/workflows/{workflow}/execute/", "/api/executions/rerun/", "/api/executions/{execution}/cancel/",
    "/api/executions/{execution}/pause/", "/api/executions/{execution}/rerun/",
    "/api/executions/{execution}/resume/", "/api/executions/bulk/{bulk}/cancel/",
    "/api/workflows/{workflow}/node-groups/",
    "/api/approvals/{approval}/decide/", "/api/notifications/read/", "/api/events/replay/",
    "/api/executions/columns/",
    "/api/webhooks/endpoints/{endpoint}/recover/", "/api/webhooks/endpoints/{endpoint}/replay/",
    "/api/webhooks/endpoints/{endpoint}/test/", "/api/webhooks/reconciliation/check/",
}  # fmt: skip
RUNS_BELOW = (
    "/api/events/replays/",
    "/api/executions/views/",
    "/api/webhooks/deliveries/",
    "/api/webhooks/operations/",
)
EDITS_BELOW = ("/api/workflows/", "/api/executions/bulk/", "/api/credentials/{credential}/test/", "/api/insights/")
NO_IDS: Any = type("NoIds", (dict,), {"__missing__": lambda self, kind: "1" if kind == "member" else str(uuid4())})


def scope_of(path: str, method: str) -> TokenScope:
    """Return the scope that an address needs; `admin` where nothing else is said."""
    if method == "get" or path in CHECKS:
        return READ
    if path in RUNS or path.startswith(RUNS_BELOW):
        return RUN
    return EDIT if path.startswith(EDITS_BELOW) else ADMIN


@pytest.mark.django_db
def test_every_address_needs_a_scope_and_what_changes_things_needs_admin_unless_it_says_otherwise() -> None:
    user = User.objects.create_user("ada")
    tokens = {scope: ApiToken.issue(user, scope, scopes=[scope])[1] for scope in TokenScope}
    for path, methods in API.items():
        for method, access in methods.items():
            if access.role == OPEN or path.startswith("/api/events/stream") or path.endswith("/stream/"):
                continue
            needed = scope_of(path, method)
            for scope, token in tokens.items():
                answer = ask(token, method, filled(path, NO_IDS()), {} if method != "get" else None)
                told = b"needs an API token with the scope" in answer.content
                assert told is not scope.includes(needed), (method, path, scope, answer.content)
                assert answer.status_code == 403 or not told


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "roles"), [(READ, [Role.VIEWER]), (RUN, [Role.VIEWER, Role.EDITOR]), (ADMIN, list(Role))]
)
def test_a_token_uses_no_higher_role_than_its_scope_needs(scope: TokenScope, roles: list[Role]) -> None:
    user = User.objects.create_user("ada")
    workspace = Workspace.objects.create(name="Own", slug="own")
    Membership.objects.create(user=user, workspace=workspace, role=Role.ADMIN)
    user.token_scope = scope
    assert [role for role in Role if Workspace.objects.visible_to(user, role).exists()] == roles
    _, raw = ApiToken.issue(User.objects.get(), "ci", scopes=[scope])
    members = ask(raw, "get", f"/api/workspaces/{workspace.pk}/members/")
    assert members.status_code == (200 if scope is ADMIN else 403)
    assert scope is ADMIN or f"scope than {scope.value}" in members.json()["detail"]


@pytest.mark.django_db
def test_scopes_of_a_new_token_are_checked_and_shown() -> None:
    raw = ApiToken.issue(User.objects.create_user("ada"), "first")[1]
    made = ask(raw, "post", "/api/tokens/", {"name": "ci", "scopes": ["run", "read", "run"]})
    assert (made.status_code, made.json()["scopes"]) == (201, ["read", "run"])
    assert ask(raw, "post", "/api/tokens/", {"name": "as before"}).json()["scopes"] == list(TokenScope.values)
    for scopes in ([], ["write"], "read", [1], None):
        refused = ask(raw, "post", "/api/tokens/", {"name": "ci", "scopes": scopes})
        assert (refused.status_code, refused.json()["errors"][0]["field"].split(".")[0]) == (400, "scopes")

"""The webhook triggers of a workflow, and the latest requests to its test URLs, as its page shows them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_safe

from executions.models import Workflow, WorkflowVersion
from executions.triggers import webhook_paths
from executions.triggers.hooks.listeners import tested
from executions.triggers.path_parameters import canonical, with_names
from webhooks.inbound.bodies import BadBody, read_body
from webhooks.inbound.request_log import MAX_BODY
from webhooks.models import InboundRequest
from workflow_platform.core.accounts.shortcuts import get_visible_or_404

SHOWN = 10
_AUTH_LABELS = {  # for the API, in English; the page translates them
    "basic": _("username and password"),
    "bearer": _("bearer token"),
    "header": _("secret header"),
    "standard_webhooks": _("Standard Webhooks signature"),
    "github": _("GitHub's signature"),
    "stripe": _("Stripe's signature"),
    "slack": _("Slack's signature"),
    "hmac": _("HMAC signature"),
}


def hooks_of(workflow: Workflow, version: WorkflowVersion) -> list[dict[str, Any]]:
    """Return the webhook triggers of a version: paths, methods and authentication. `path` and `test_path` follow
    /hooks/."""
    nodes = webhook_paths.triggers(version.nodes)
    trigger_paths = [str(node["parameters"].get("path", "")) for node in nodes]
    paths = webhook_paths.hook_paths(workflow.workspace, map(canonical, trigger_paths))
    hooks = []
    for node, trigger_path in zip(nodes, trigger_paths, strict=True):
        parameters, path = node["parameters"], with_names(paths[canonical(trigger_path)], trigger_path)
        test_listener = tested(path)
        # If another workflow uses the path, the test URL contains the id of this workflow.
        is_own = test_listener is not None and test_listener.workflow.pk == workflow.pk
        auth = parameters.get("auth")
        hooks.append(
            {
                "node": node["id"],
                "path": path,
                "methods": parameters.get("methods", ["POST"]),
                "test_path": f"test/{path}" if is_own else f"test/{workflow.pk}/{trigger_path}",
                "auth": _AUTH_LABELS.get(str(auth.get("type"))) if isinstance(auth, dict) else None,
            }
        )
    return hooks


@login_required
@require_safe
def hook_requests(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Return the latest requests to the workflow's test URLs as JSON, newest first."""
    rows = Workflow.objects.filter(deleted_at__isnull=True)
    workflow = get_visible_or_404(rows, request.user, pk=workflow_id)
    return JsonResponse({"requests": latest(workflow)}, headers={"Cache-Control": "no-store"})


def latest(workflow: Workflow) -> list[dict[str, Any]]:
    """Return the latest requests to the workflow's test URLs, newest first."""
    rows = InboundRequest.objects.filter(workflow_id=workflow.pk, workspace=workflow.workspace_id, test=True)
    return [_as_json(row) for row in rows.order_by("-id")[:SHOWN]]


def _as_json(row: InboundRequest) -> dict[str, Any]:
    complete = row.body_bytes <= MAX_BODY or len(row.body.encode()) >= row.body_bytes  # masking may shorten it
    try:
        body = read_body(row.content_type, row.body.encode()) if complete else row.body
    except BadBody:
        body = row.body
    return {
        "id": str(row.pk),
        "received_at": row.received_at.isoformat(),
        "address": row.address,
        "accepted": row.accepted,
        "status_code": row.status_code,
        "reason": row.reason,
        "body_bytes": row.body_bytes,
        "whole": complete,
        "item": {
            "method": row.method,
            "path": row.path,
            "headers": row.headers,
            "query": row.query,
            "body": body,
        },
    }

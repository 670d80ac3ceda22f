"""The page of credentials: editors see them, admins create and change them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from executions.credentials.usage import uses_of
from executions.domain import credential_types
from executions.models import Credential
from executions.pages import credential_texts
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.accounts.workspace_choice import in_shown_workspace, offered

LISTED = 200


@login_required
def credentials(request: HttpRequest) -> HttpResponse:
    """List the credentials that the caller may use."""
    admin_of = offered(cast(User, request.user), Role.ADMIN)
    editor = Workspace.objects.visible_to(request.user, Role.EDITOR)
    admin_ids = {workspace.pk for workspace in admin_of}
    visible = Credential.objects.visible_to(request.user, Role.EDITOR).select_related("workspace").defer("data")
    visible_rows = list(in_shown_workspace(visible, cast(User, request.user))[:LISTED])
    uses = uses_of(visible_rows)
    labels = {name: credential_texts.text(kind.label) for name, kind in credential_types.CREDENTIAL_TYPES.items()}
    rows: list[dict[str, Any]] = [
        {
            "row": row,
            "label": labels[row.type],
            "changeable": row.workspace_id in admin_ids,
            "uses": uses[row.pk][:50],
        }
        for row in visible_rows
    ]
    context = {
        "credentials": rows,
        "can_create": bool(admin_of),
        "may_see": editor.exists(),
        "several_workspaces": editor.count() > 1,
        "workspaces": admin_of,
        "page_data": {"types": credential_texts.described()},
    }
    return render(request, "executions/credentials.html", context)

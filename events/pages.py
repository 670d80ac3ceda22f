"""The page of history over streams. Its filters are in the URL, and its rows come from `GET /api/events/`."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

from events.catalogue.descriptions import families
from events.catalogue.event_types import CATALOGUE, PERSONAL
from events.catalogue.stream_names import FEED
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.accounts.workspace_choice import offered, shown_workspace


@login_required
def explorer(request: HttpRequest) -> HttpResponse:
    """The history explorer."""
    user = cast(User, request.user)
    staff = user.is_staff
    shown = shown_workspace(user)
    workspaces = [each for each in offered(user, Role.VIEWER) if shown in {None, each.pk}]
    offered_types = (name for name in CATALOGUE if name not in PERSONAL)
    types = families(name for name in offered_types if staff or not name.startswith("system."))
    data = {"icons": static("icons.svg"), "feed": FEED, "workspace": str(shown or "")}
    context = {"families": types, "workspaces": workspaces, "page_data": data}
    return render(request, "events/explorer.html", context)

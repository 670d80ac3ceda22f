"""The page of history over streams: its filters stand in its address, and its rows come from `GET /api/events/`."""

from __future__ import annotations

from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

from events.descriptions import DESCRIPTIONS
from events.event_types import CATALOGUE
from events.models import FEED


@login_required
def explorer(request: HttpRequest) -> HttpResponse:
    """The history explorer."""
    staff = getattr(request.user, "is_staff", False)
    families = [
        {"name": family, "types": [{"name": name, "description": DESCRIPTIONS[name]} for name in names]}
        for family, names in groupby(CATALOGUE, key=lambda name: name.split(".")[0])
        if staff or family != "system"
    ]
    context = {"families": families, "page_data": {"icons": static("icons.svg"), "feed": FEED}}
    return render(request, "events/explorer.html", context)

"""The page of history over streams. Its filters are in the URL, and its rows come from `GET /api/events/`."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

from events.catalogue.descriptions import families
from events.catalogue.event_types import CATALOGUE, PERSONAL
from events.catalogue.stream_names import FEED


@login_required
def explorer(request: HttpRequest) -> HttpResponse:
    """The history explorer."""
    staff = getattr(request.user, "is_staff", False)
    shared = (name for name in CATALOGUE if name not in PERSONAL)
    shown = families(name for name in shared if staff or not name.startswith("system."))
    context = {"families": shown, "page_data": {"icons": static("icons.svg"), "feed": FEED}}
    return render(request, "events/explorer.html", context)

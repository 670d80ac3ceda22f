"""`/favicon.ico`, for pages that name no icon: the admin site, and what browsers ask for by themselves."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect
from django.templatetags.static import static

KEPT_SECONDS = 86_400


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Redirect to the icon of the pages."""
    response = HttpResponseRedirect(static("favicon.svg"))
    response["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
    return response

"""Access to `/metrics` and `/api/metrics/`: for callers from this machine or METRICS_ALLOW, and for staff."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from workflow_platform.core.accounts.callers import caller_of
from workflow_platform.core.requests.client_address import came_through_proxy, networks, proven_address, within

CLOSED = (
    "Metrics are available to callers from this machine, to the addresses in METRICS_ALLOW, and to staff "
    "(session or API token).\n"
)


def metrics_refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the response for a caller who may not read the metrics; None for one who may."""
    if comes_from_allowed_address(request):
        return None
    user = caller_of(request)
    if user is not None and user.is_staff:
        return None
    refusal = HttpResponse(CLOSED, status=403 if user else 401, content_type="text/plain; charset=utf-8")
    if user is None:
        refusal["WWW-Authenticate"] = 'Bearer realm="workflow-platform"'
    return refusal


def comes_from_allowed_address(request: HttpRequest) -> bool:
    """Return whether the caller is on this machine or in METRICS_ALLOW."""
    address = proven_address(request.META)
    if address is None:
        return False
    # A request through a proxy on this machine comes from another machine.
    local = address.is_loopback and not came_through_proxy(request.META)
    return local or within(address, networks(tuple(settings.METRICS_ALLOW)))

"""`/healthz`, `/readyz` and `/metrics`: asked by machines, inside the network, often by address and without TLS."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

from workflow_platform.core.accounts.callers import caller_of
from workflow_platform.core.requests.client_address import came_through_proxy, networks, parse, proven_address, within

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
CLOSED = (
    "The metrics are for callers from this machine, from the addresses in METRICS_ALLOW, and for staff "
    "(session or API token).\n"
)


class HostCheckMiddleware(CommonMiddleware):
    """Django's check of the Host header, which lets probes name an address instead of a host of ALLOWED_HOSTS.

    A name must be allowed for probes too: else a page in a browser on this machine could read them under a name of its
    own (DNS rebinding).
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Refuse a host that is not ours."""
        host = request.META.get("HTTP_HOST", "")
        if request.path in PROBES and (not host or parse(host) is not None):
            return None
        return super().process_request(request)


def metrics_refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a caller who may not read the metrics; None for one who may."""
    if _by_address(request):
        return None
    user = caller_of(request)
    if user is not None and user.is_staff:
        return None
    refusal = HttpResponse(CLOSED, status=403 if user else 401, content_type="text/plain; charset=utf-8")
    if user is None:
        refusal["WWW-Authenticate"] = 'Bearer realm="workflow-platform"'
    return refusal


def _by_address(request: HttpRequest) -> bool:
    address = proven_address(request.META)
    if address is None:
        return False
    # What a proxy on this machine passes on comes from elsewhere, whatever it says.
    local = address.is_loopback and not came_through_proxy(request.META)
    return local or within(address, networks(tuple(settings.METRICS_ALLOW)))

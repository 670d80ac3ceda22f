"""`/healthz`, `/readyz` and `/metrics`: requested by machines inside the network, often by address and without TLS."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

from workflow_platform.core.requests.client_address import parse

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


class HostCheckMiddleware(CommonMiddleware):
    """Django's check of the Host header, which lets probes name an address instead of a host of ALLOWED_HOSTS.

    A name must be allowed for probes too: otherwise a page in a browser on this machine could read them under its own
    name (DNS rebinding).
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Reject a host that is not allowed."""
        host = request.META.get("HTTP_HOST", "")
        if request.path in PROBES and (not host or parse(host) is not None):
            return None
        return super().process_request(request)

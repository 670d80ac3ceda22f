"""`HOOKS_HOST`: a separate host for webhooks, so that responses of workflows have another origin than the pages."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings


def hooks_url() -> str:
    """Return the address that `/hooks/…` follows in the URLs of webhooks: scheme and host, without a slash."""
    if not settings.HOOKS_HOST:
        return str(settings.PUBLIC_URL)
    public = urlsplit(settings.PUBLIC_URL)
    port = "" if ":" in settings.HOOKS_HOST or public.port is None else f":{public.port}"
    return f"{public.scheme}://{settings.HOOKS_HOST}{port}"


def is_requested(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a request is for the host of the webhooks. Its port does not matter: browsers keep cookies for a
    host, not for a port."""
    hooks_host = host_name(settings.HOOKS_HOST)
    return bool(hooks_host) and any(
        name.lower() == b"host" and host_name(value.decode("latin-1")) == hooks_host for name, value in headers
    )


def host_name(host: str) -> str:
    """Return the name in `name:port`, in lower case and without the dot that may end it."""
    return host.strip().partition(":")[0].lower().rstrip(".")

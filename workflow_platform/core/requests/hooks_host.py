"""`HOOKS_HOST`: a separate host for webhooks, so that responses of workflows have another origin than the pages."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings


def hooks_url() -> str:
    """Return the scheme and host of webhook URLs, without a slash at the end."""
    if not settings.HOOKS_HOST:
        return str(settings.PUBLIC_URL)
    public = urlsplit(settings.PUBLIC_URL)
    port = "" if ":" in settings.HOOKS_HOST or public.port is None else f":{public.port}"
    return f"{public.scheme}://{settings.HOOKS_HOST}{port}"


def is_requested(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a request is for HOOKS_HOST. The port does not matter: browsers keep cookies by host, not by
    port."""
    hooks_host = host_name(settings.HOOKS_HOST)
    return bool(hooks_host) and any(
        name.lower() == b"host" and host_name(value.decode("latin-1")) == hooks_host for name, value in headers
    )


def host_name(host: str) -> str:
    """Return the name in `name:port`, in lower case and without a final dot."""
    return host.strip().partition(":")[0].lower().rstrip(".")

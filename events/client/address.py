"""Where the platform is. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

DEFAULT_URL = "http://127.0.0.1:8000"


def websocket_url(url: str) -> str:
    """Return the WebSocket's address on the platform at `url`: `https://host[:port]`, or the address itself, `wss://…`.

    Raises ValueError; what could be a secret, in a query or before the host, is refused and not repeated.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
        raise ValueError("The platform's URL must have the scheme http, https, ws or wss, and a host.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("The platform's URL must not contain a user, query or fragment. Pass the token separately.")
    if parts.scheme in {"ws", "wss"}:
        return urlunsplit((parts.scheme, parts.netloc, parts.path if len(parts.path) > 1 else "/ws/", "", ""))
    return urlunsplit((parts.scheme.replace("http", "ws"), parts.netloc, parts.path.rstrip("/") + "/ws/", "", ""))

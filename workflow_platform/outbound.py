"""The guard for every request that leaves: only public addresses, unless OUTBOUND_ALLOW names the host or network.

The name is resolved once; if any of its addresses is refused, nothing is sent; the connection goes to the address that
was checked, with Host, SNI and certificate name kept. No redirects, no proxies from the environment.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.util import connection as urllib3_connection

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_BODY_BYTES = 10 * 1024 * 1024
CONNECT_SECONDS = 10.0
RESOLVE_SECONDS = 5.0
_CHUNK = 64 * 1024
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolver")  # getaddrinfo has no deadline of its own

# What `is_global` lets through although it leads elsewhere: translation and tunnel prefixes, documentation, and all of
# IPv6 that is not global unicast (RFC 4291, RFC 6052, RFC 3056, RFC 9637).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_REFUSED_V6 = [ipaddress.ip_network(n) for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_REFUSED_V4 = [ipaddress.ip_network("192.88.99.0/24")]


class OutboundRefused(Exception):
    """The address may not be called."""


class OutboundFailed(Exception):
    """The request was allowed and did not succeed: no connection, no answer in time, or too large an answer."""


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An answer: header names in lower case, the body whole."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


def is_public(address: IPAddress) -> bool:
    """Tell whether an address lies on the public internet, for sure."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST or any(address in network for network in _REFUSED_V6):
            return False
    elif any(address in network for network in _REFUSED_V4):
        return False
    return address.is_global and not address.is_multicast


def check_url(url: str) -> tuple[str, int, list[IPAddress]]:
    """Return (host, port, addresses) of a URL that may be called. Raises OutboundRefused, or OutboundFailed if the
    name does not resolve."""
    if any(ord(c) <= 32 or ord(c) == 127 for c in url) or "\\" in url:
        raise OutboundRefused("The URL holds a space, a control character or a backslash.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OutboundRefused(f"The URL is malformed: {error}.") from None
    if parts.scheme not in {"http", "https"}:
        raise OutboundRefused(f"Only http and https can be called, not {parts.scheme or 'nothing'!r}.")
    if not host or parts.username is not None or parts.password is not None:
        raise OutboundRefused("The URL needs a host and must not hold a user name or password.")
    port = port or (443 if parts.scheme == "https" else 80)
    return host, port, check_host(host, port)


def check_host(host: str, port: int) -> list[IPAddress]:
    """Return the addresses of a host that may be called; connect to one of these, not to the name, which may lead
    elsewhere by then. Raises OutboundRefused, or OutboundFailed if the name does not resolve."""
    addresses = _resolve(host, port)
    for address in addresses:
        if not is_public(address) and not _allowed(host, address):
            raise OutboundRefused(
                f"{host} leads to {address}, which is not a public address; OUTBOUND_ALLOW can allow it."
            )
    return addresses


def _resolve(host: str, port: int) -> list[IPAddress]:
    try:
        found = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(RESOLVE_SECONDS)
    except FutureTimeout:
        raise OutboundFailed(f"The name {host} did not resolve within {RESOLVE_SECONDS:g} s.") from None
    except (OSError, UnicodeError) as error:
        raise OutboundFailed(f"The name {host} does not resolve: {error}.") from None
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).split("%")[0]) for info in found))


def _allowed(host: str, address: IPAddress) -> bool:
    for entry in settings.OUTBOUND_ALLOW:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            if entry.lower() == host.lower():
                return True
    return False


class _PinnedAdapter(HTTPAdapter):
    """Connects to an address that has been checked, whatever the name resolves to by now."""

    def __init__(self, address: str, **kwargs: Any) -> None:
        self._address = address
        super().__init__(**kwargs)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        address = self._address
        make = pool.ConnectionCls

        class Pinned(make):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> socket.socket:
                return urllib3_connection.create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )

        if not getattr(make, "pinned", False):
            Pinned.pinned = True
            pool.ConnectionCls = Pinned
        return pool


def send(
    method: str,
    url: str,
    *,
    params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout_seconds: float = 30.0,
    max_body_bytes: int = MAX_BODY_BYTES,
    cancelled: threading.Event | None = None,
) -> OutboundResponse:
    """Send a request and read its answer whole, within `timeout_seconds` for everything.

    Raises OutboundRefused for an address that may not be called, OutboundFailed for whatever goes wrong on the way.
    """
    deadline = time.monotonic() + timeout_seconds
    _, _, addresses = check_url(url)
    with requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _PinnedAdapter(str(addresses[0])))
        try:
            answer = session.request(
                method,
                url,
                params=params,
                headers={"User-Agent": "workflow-platform"} | (headers or {}),
                data=body,
                timeout=(min(CONNECT_SECONDS, timeout_seconds), timeout_seconds),
                allow_redirects=False,
                stream=True,
            )
            content = _read(answer, deadline, max_body_bytes, cancelled)
        except (requests.RequestException, OSError, ValueError) as error:
            raise OutboundFailed(f"{method} {url}: {_in_words(error, timeout_seconds)}") from None
    return OutboundResponse(
        answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, content, url
    )


def _in_words(error: BaseException, timeout_seconds: float) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {timeout_seconds:g} s."
    if isinstance(error, requests.ConnectionError):
        return "no connection (refused, reset or unreachable)."
    return f"{error}"


def _read(answer: requests.Response, deadline: float, limit: int, cancelled: threading.Event | None) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise OutboundFailed(f"{answer.url}: the answer is larger than {limit} bytes.")
        if time.monotonic() > deadline:
            raise OutboundFailed(f"{answer.url}: the answer did not end in time.")
        if cancelled is not None and cancelled.is_set():
            raise OutboundFailed("Cancelled.")
    return bytes(content)

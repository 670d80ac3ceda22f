"""Which addresses may be called: public ones, and those that OUTBOUND_ALLOW names. Names are resolved once."""

from __future__ import annotations

import ipaddress
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from workflow_platform.watchdog import Watch

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

RESOLVE_SECONDS = 5.0
_POLL_SECONDS = 0.2
_resolvers = ThreadPoolExecutor(32, thread_name_prefix="resolver")  # getaddrinfo has no deadline of its own

# What `is_global` lets through although it leads elsewhere: translation and tunnel prefixes, documentation, and all of
# IPv6 that is not global unicast (RFC 4291, RFC 6052, RFC 3056, RFC 9637).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_REFUSED_V6 = [ipaddress.ip_network(n) for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_REFUSED_V4 = [ipaddress.ip_network("192.88.99.0/24")]


ErrorClass = Literal["dns", "connect", "tls", "timeout", "reset", "protocol"]
"""The name does not resolve; no connection; no trust; too late; cut off in the middle; not an answer in HTTP."""


@dataclass(slots=True)
class Timings:
    """What the parts of a call took, in milliseconds; None where it did not come to it, or over a kept connection."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    """From the beginning to the answer's headers."""
    total: float | None = None


class OutboundRefused(Exception):
    """The address may not be called."""


class OutboundFailed(Exception):
    """The request was allowed and did not succeed: no connection, no answer in time, or too large an answer."""

    def __init__(self, message: str, error_class: ErrorClass = "protocol") -> None:
        super().__init__(message)
        self.error_class: ErrorClass = error_class
        self.timings = Timings()


class OutboundCancelled(OutboundFailed):
    """The caller gave the request up while it was under way."""


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


def check_url(url: str, watch: Watch | None = None) -> tuple[str, int, list[IPAddress]]:
    """Return (host, port, addresses) of a URL that may be called. Raises OutboundRefused, or OutboundFailed if the
    name does not resolve."""
    parts, host, port = parse_url(url)
    port = port or (443 if parts.scheme == "https" else 80)
    return host, port, check_host(host, port, watch)


def check_host(host: str, port: int, watch: Watch | None = None) -> list[IPAddress]:
    """Return the addresses of a host that may be called; connect to one of these, not to the name, which may lead
    elsewhere by then. Raises OutboundRefused, or OutboundFailed if the name does not resolve."""
    addresses = _resolve(host, port, watch)
    for address in addresses:
        if not is_public(address) and not _allowed(host, address):
            raise OutboundRefused(
                f"{host} leads to {address}, which is not a public address; OUTBOUND_ALLOW can allow it."
            )
    return addresses


def parse_url(url: str) -> tuple[SplitResult, str, int | None]:
    """Return (parts, host, port) of a URL that can be read in one way only. Raises OutboundRefused."""
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
    return parts, host, port


def _resolve(host: str, port: int, watch: Watch | None) -> list[IPAddress]:
    try:
        try:  # an address in figures needs no thread, since nobody is asked
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = _ask_for(host, port, watch)
    except (OSError, UnicodeError) as error:
        raise OutboundFailed(f"The name {host} does not resolve: {error}.", "dns") from None
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).split("%")[0]) for info in found))


def _ask_for(host: str, port: int, watch: Watch | None) -> list[Any]:
    asked = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    until = time.monotonic() + RESOLVE_SECONDS
    while True:
        left = until - time.monotonic()
        if watch is not None:
            stop_if_over(watch, host)
            left = min(left, watch.remaining)
        if left <= 0:
            asked.cancel()
            raise OutboundFailed(f"The name {host} did not resolve in time.", "dns")
        try:
            return asked.result(min(left, _POLL_SECONDS))
        except FutureTimeout:
            continue


def _allowed(host: str, address: IPAddress) -> bool:
    for entry in settings.OUTBOUND_ALLOW:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            if entry.lower() == host.lower():
                return True
    return False


def stop_if_over(watch: Watch, what: str) -> None:
    """Raise OutboundCancelled or OutboundFailed if the call is over."""
    reason = watch.check()
    if reason == "cancelled":
        raise OutboundCancelled("Cancelled.")
    if reason == "deadline":
        raise OutboundFailed(f"{what}: no answer within {watch.seconds:g} s.", "timeout")

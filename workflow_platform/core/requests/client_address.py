"""The client's address of a request, also behind the proxies in TRUSTED_PROXIES."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

from workflow_platform.core.outbound.addresses import IPAddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS = 50
"""Of a header with more entries, only the last ones are read."""
IPV6_PREFIX = 64
"""One customer has at least this much of IPv6: its addresses count as one."""

_SIGNS_OF_A_PROXY = (
    "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA", "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
)  # fmt: skip


def client_address(meta: Mapping[str, Any]) -> IPAddress | None:
    """Return the address of the client of a request with these `META`; None where the socket has none.

    `X-Forwarded-For` is believed as far as proxies of ours have written it: from the right to the first address that
    is none of them. The client may have invented any address to the left of it.
    """
    address = parse(str(meta.get("REMOTE_ADDR") or ""))
    proxies = networks(tuple(settings.TRUSTED_PROXIES))
    if address is None or not proxies or not within(address, proxies):
        return address
    for entry in reversed(str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",")[-MAX_HOPS:]):
        hop = parse(entry)
        if hop is None:
            break
        address = hop
        if not within(hop, proxies):
            break
    return address


def proven_address(meta: Mapping[str, Any]) -> IPAddress | None:
    """Return the address of the client if it is certain; None behind a proxy that did not add it or that is not in
    TRUSTED_PROXIES."""
    if came_through_proxy(meta):
        peer = parse(str(meta.get("REMOTE_ADDR") or ""))
        proxies = networks(tuple(settings.TRUSTED_PROXIES))
        if peer is None or not within(peer, proxies) or not meta.get("HTTP_X_FORWARDED_FOR"):
            return None
    return client_address(meta)


def came_through_proxy(meta: Mapping[str, Any]) -> bool:
    """Return whether the headers show that a proxy forwarded the request."""
    return any(meta.get(name) for name in _SIGNS_OF_A_PROXY)


def parse(text: str) -> IPAddress | None:
    """Parse an address with or without a port. A mapped IPv4 address is returned as IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def counted_as(address: IPAddress | None) -> str:
    """Return the key of rate limits: an IPv4 address, or the /64 network of an IPv6 address."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address or "")


@lru_cache(maxsize=512)
def networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse networks (10.0.0.0/8) and addresses (10.1.2.3). Raises ValueError."""
    return tuple(ipaddress.ip_network(entry.strip(), strict=False) for entry in entries)


def within(address: IPAddress, allowed: Sequence[Network]) -> bool:
    """Return whether an address is in one of the networks."""
    return any(address.version == network.version and address in network for network in allowed)

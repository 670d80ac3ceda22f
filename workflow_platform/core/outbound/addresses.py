"""Which addresses may be called: public ones and those in OUTBOUND_ALLOW, at the ports in OUTBOUND_PORTS. Names are
resolved once."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
import unicodedata
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit, urlunsplit

import idna
from django.conf import settings

from workflow_platform.core.outbound.watchdog import Watch
from workflow_platform.core.per_process import PerProcess

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MASK = "•••"
RESOLVE_SECONDS = 5.0
SAVING_SECONDS = 3.0
RESOLVERS = 128
_POLL_SECONDS = 0.2

# Networks that are not public although `is_global` is true: protocol assignments (RFC 6890), translation and tunnel
# prefixes, documentation, and all of IPv6 that is not global unicast (RFC 4291, RFC 6052, RFC 3056, RFC 9637).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_REFUSED_V6 = [ipaddress.ip_network(n) for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_REFUSED_V4 = [ipaddress.ip_network(n) for n in ("192.0.0.0/24", "192.88.99.0/24")]

# Ports of other protocols, whose servers may take a line of a request for a command: from 1024 on the bad ports of the
# Fetch standard, databases, queues and caches. A range in OUTBOUND_PORTS does not include them.
_OF_OTHERS = frozenset({
    1433, 1521, 1719, 1720, 1723, 2049, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 5900, 6000, 6379, 6566,
    6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 26379, 27017,
})  # fmt: skip
_HOST = re.compile(r"(?=.{1,254}\Z)[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?")
_AUTHORITY = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*)(.*\S)", re.DOTALL)
_AROUND = " \t\n\f\r"
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_UNREADABLE = {"Cc", "Cs", "Zs", "Zl", "Zp"}
"""Control characters, surrogates, spaces, line and paragraph separators."""


ErrorClass = Literal["dns", "connect", "tls", "timeout", "reset", "protocol"]
"""In this order: the name does not resolve; no connection; an untrusted certificate; a timeout; an interrupted
response; a response that is not HTTP."""


@dataclass(slots=True)
class Timings:
    """The durations of the parts of a call in milliseconds; None for parts that did not happen, such as the connection
    when a kept one was used."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    """From the beginning to the headers of the response."""
    total: float | None = None
    asked: bool = False
    """Whether there was a connection on which the request was sent."""
    repeated: bool = False
    """Whether the request was sent again, since the kept connection turned out to be dead."""
    sent_bytes: int = 0
    """Of the body of the request; 0 if no connection accepted it."""
    received_bytes: int = 0
    """Of the body of the response, as it came."""

    def figures(self) -> dict[str, float]:
        """Return the phases as durations that follow each other, with the bytes. A call that fails ends in the phase
        that it had reached."""
        total, dns = self.total or 0.0, self.dns if self.dns is not None else self.total or 0.0
        connect, tls = self.connect or 0.0, self.tls or 0.0
        left = max(0.0, total - dns - connect - tls)
        phases = {"dns_ms": dns, "connect_ms": connect, "tls_ms": tls, "first_byte_ms": 0.0, "transfer_ms": 0.0}
        if self.first_byte is not None:
            phases["transfer_ms"] = max(0.0, total - self.first_byte)
            phases["first_byte_ms"] = left - phases["transfer_ms"]
        elif self.asked:
            phases["first_byte_ms"] = left
        else:
            phases["connect_ms" if self.connect is None else "tls_ms"] += left
        bytes_ = {"sent_bytes": self.sent_bytes, "received_bytes": self.received_bytes}
        return phases | bytes_ | {"repeated": int(self.repeated)}


class OutboundRefused(Exception):
    """The address may not be called."""


class OutboundFailed(Exception):
    """The request was allowed but failed: no connection, no response in time, or a response that is too large."""

    def __init__(self, message: str, error_class: ErrorClass = "protocol") -> None:
        super().__init__(message)
        self.error_class: ErrorClass = error_class
        self.timings = Timings()


class OutboundCancelled(OutboundFailed):
    """The caller cancelled the request while it ran."""


def is_public(address: IPAddress) -> bool:
    """Return whether an address is certainly public."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST or any(address in network for network in _REFUSED_V6):
            return False
    elif any(address in network for network in _REFUSED_V4):
        return False
    return address.is_global and not address.is_multicast


def check_url(url: str, watch: Watch | None = None, *, configured: bool = False) -> tuple[str, int, list[IPAddress]]:
    """Return (host, port, addresses) of a URL that may be called. Raises OutboundRefused, or OutboundFailed if the
    name does not resolve. A URL that the operator has `configured` may be called wherever it leads."""
    _, host, port = parse_url(url, any_port=configured)
    return host, port, _resolve(host, port, watch) if configured else check_host(host, port, watch)


def check_urls_saved(urls: Iterable[str]) -> dict[str, str]:
    """Return the reasons why URLs that are to be saved may not be called, by URL. They are checked again at every call,
    so a name that does not resolve now, or not within SAVING_SECONDS for all URLs, is accepted."""
    watch, refused = Watch(SAVING_SECONDS, None), {}
    for url in urls:
        try:
            check_url(url, watch)
        except OutboundRefused as error:
            refused[url] = str(error)
        except OutboundFailed:
            continue
    return refused


def check_host(host: str, port: int, watch: Watch | None = None) -> list[IPAddress]:
    """Return the addresses of a host that may be called. Connect to one of these, not to the name, which may resolve
    differently later. Raises OutboundRefused, or OutboundFailed if the name does not resolve."""
    addresses = _resolve(host, port, watch)
    for address in addresses:
        if not is_public(address) and not _allowed(host, address):
            told = host if _is_literal(host) else f"{host} resolves to {address}, which"
            raise OutboundRefused(f"{told} is not a public address; OUTBOUND_ALLOW can allow it.")
    return addresses


def parse_url(url: str, *, any_port: bool = False) -> tuple[SplitResult, str, int]:
    """Return (parts, host, port) of a URL that can be read in one way only, the host as it goes to the resolver (IDNA).
    Raises OutboundRefused, also for a port that is not of OUTBOUND_PORTS, unless `any_port`."""
    if "\\" in url or any(unicodedata.category(c) in _UNREADABLE for c in url):
        raise OutboundRefused("The URL contains a space, a control character or a backslash. Encode or remove it.")
    try:
        parts = urlsplit(url)
        named, port = parts.hostname, parts.port
    except ValueError as error:
        raise OutboundRefused(f"The URL is malformed: {error}.") from None
    if parts.scheme not in {"http", "https"}:
        if "://" not in url:
            raise OutboundRefused("The URL must begin with http:// or https://, such as https://example.com/path.")
        raise OutboundRefused(f"Only http and https URLs are allowed, not {parts.scheme!r}.")
    if not named or parts.username is not None or parts.password is not None:
        raise OutboundRefused("The URL needs a host and must not contain a username or password.")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if not any_port and not _port_is_open(port, tuple(settings.OUTBOUND_PORTS)):
        raise OutboundRefused(f"The port {port} is not allowed; OUTBOUND_PORTS can allow it.")
    return parts, _host(named, in_brackets="[" in parts.netloc), port


def escaped(url: str) -> str:
    """Return a URL, as people and expressions write it, with escapes for spaces inside its path, query and fragment,
    and for percent signs that begin no escape. ASCII white space around it, such as the end of a line, is removed, as
    browsers do."""
    url = url.strip(_AROUND)
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    rest = _LONE_PERCENT.sub("%25", found[2])
    return found[1] + "".join(quote(c) if unicodedata.category(c) == "Zs" else c for c in rest) + url[found.end() :]


def _is_literal(host: str) -> bool:
    """Return whether a host is an address itself, in its usual form."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def shown_url(url: str) -> str:
    """Return a URL that may be shown: without user, password and fragment, and with the values of its query masked,
    since they may be secrets. A name without a value is masked too. A masked URL stays unchanged."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return "(malformed)"
    query = "&".join(f"{quote(name, safe='[]')}={MASK}" if value else MASK for name, value in pairs)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment=""))


def _host(named: str, in_brackets: bool) -> str:
    """Return the host as ASCII (UTS 46, IDNA 2008), as browsers read it."""
    try:
        if in_brackets:
            ipaddress.IPv6Address("" if "%" in named else named)
            return named
        host = named if named.isascii() else idna.encode(named, uts46=True).decode()
    except (ValueError, idna.IDNAError):
        host = ""
    if not _HOST.fullmatch(host) or ".." in host:
        raise OutboundRefused("The host is neither a host name nor an IP address.")
    return host


@lru_cache(256)
def _port_is_open(port: int, entries: tuple[str, ...]) -> bool:
    """Return whether one of the entries (`443`, `8000-8999`) includes the port."""
    for entry in entries:
        first, _, last = entry.partition("-")
        if int(first) == port or (last and int(first) <= port <= int(last) and port not in _OF_OTHERS):
            return True
    return False


class _Resolver:
    """Resolves names in threads, since getaddrinfo has no deadline. Callers of the same name share a lookup, so that a
    name whose servers do not respond blocks only one thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")
        self._lookups: dict[tuple[str, int], Future[list[Any]]] = {}
        self._lock = threading.Lock()

    def ask(self, host: str, port: int) -> Future[list[Any]]:
        with self._lock:
            lookup = self._lookups.get((host, port))
            if lookup is None:
                lookup = self._lookups[host, port] = self._threads.submit(self._look_up, host, port)
            return lookup

    def _look_up(self, host: str, port: int) -> list[Any]:
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        finally:
            with self._lock:
                self._lookups.pop((host, port), None)


_resolver = PerProcess(_Resolver)


def _resolve(host: str, port: int, watch: Watch | None) -> list[IPAddress]:
    try:
        try:  # a numeric address needs no lookup and no thread
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            infos = _await_lookup(host, port, watch)
    except (OSError, UnicodeError):
        raise OutboundFailed(f"The name {host} does not resolve.", "dns") from None
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).split("%")[0]) for info in infos))


def _await_lookup(host: str, port: int, watch: Watch | None) -> list[Any]:
    lookup = _resolver().ask(host, port)
    until = time.monotonic() + RESOLVE_SECONDS
    while True:
        left = until - time.monotonic()
        if watch is not None:
            stop_if_over(watch, host)
            left = min(left, watch.remaining)
        if left <= 0:
            raise OutboundFailed(f"The name {host} did not resolve in time.", "dns")
        try:
            return lookup.result(min(left, _POLL_SECONDS))
        except FutureTimeout:
            continue


def _allowed(host: str, address: IPAddress) -> bool:
    for entry in settings.OUTBOUND_ALLOW:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            if entry.lower() == host.lower().rstrip("."):
                return True
    return False


def stop_if_over(watch: Watch, what: str) -> None:
    """Raise OutboundCancelled or OutboundFailed if the call is over."""
    reason = watch.check()
    if reason == "cancelled":
        raise OutboundCancelled("Cancelled.")
    if reason == "deadline":
        raise OutboundFailed(f"{what}: no response within {watch.seconds:g} s.", "timeout")

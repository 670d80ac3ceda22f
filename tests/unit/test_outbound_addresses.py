"""Published lists of addresses, and every way of writing one: what is not public for sure is not called."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from typing import Any

import pytest

from tests.unit.test_outbound import resolving_to
from workflow_platform.checks import check_environment
from workflow_platform.core import outbound
from workflow_platform.core.outbound import addresses
from workflow_platform.core.outbound.addresses import (
    OutboundFailed,
    OutboundRefused,
    check_url,
    check_urls_saved,
    is_public,
)
from workflow_platform.core.outbound.watchdog import Watch

# The IANA special-purpose address registries (RFC 6890), multicast, and what stands for IPv4 within IPv6.
NOT_PUBLIC = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "::/96", "::127.0.0.1/128",
    "::10.0.0.1/128", "::ffff:0.0.0.0/128", "::ffff:127.0.0.1/128", "::ffff:10.0.0.0/104", "::ffff:100.64.0.1/128",
    "::ffff:169.254.169.254/128", "::ffff:192.168.0.0/112", "::ffff:224.0.0.1/128", "::ffff:0:127.0.0.1/128",
    "64:ff9b::/96", "64:ff9b::127.0.0.1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
    "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
    "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2002:7f00:1::/48", "2002:a9fe:a9fe::/48",
    "3fff::/20", "4000::/3", "5f00::/16", "fc00::/7", "fd00:ec2::254/128", "fe80::/10", "fec0::/10", "ff00::/8",
    "ff02::1/128", "ff0e::1/128",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "140.82.121.4", "2606:4700:4700::1111",
    "2a00:1450:4001:82b::200e", "::ffff:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("network", NOT_PUBLIC)
def test_no_address_of_a_special_network_is_public(network: str) -> None:
    found = ipaddress.ip_network(network)
    for address in (found[0], found[-1], found[found.num_addresses // 2]):
        assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_others_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1",
    "0177.1", "017700000001", "00000177.0.0.1", "127.0.0.0x1", "0", "0.0.0.0", "0x0", "00", "localhost", "LOCALHOST",
    "localhost.", "127.0.0.1.", "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1",
    "１２７．１", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "loc\u00adalhost", "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::FFFF:7F00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_is_refused_by_whatever_name(host: str, scheme: str) -> None:
    with pytest.raises((OutboundRefused, OutboundFailed)) as raised:
        outbound.send("GET", f"{scheme}://{host}/", timeout_seconds=5)
    # With a final dot it is a name, which may not resolve.
    assert raised.type is OutboundRefused or host.endswith(".")


MALFORMED = [
    "", "/", "//example.org/", "example.org", "http:", "http://", "https:///", "http:///x", "http:/example.org/",
    "http:example.org", "http://?x", "http://#x", "http://:80/", "http://./", "http://../", "http://a..b/",
    "http://.example.org/", "http://example.org../", "http://-example.org/", "http://exa%6Dple.org/",
    "http://127.0.0.1%00.example.org/", "http://example.org%2f@x/", "http://user@example.org/", "http://@example.org/",
    "http://:@example.org/", "http://user:password@example.org/", "http://example.org:80@127.0.0.1/",
    "http://127.0.0.1:80\\@example.org/", "http:\\\\example.org\\", "http://example.org\\.evil.example/",
    "http://exa mple.org/", " http://example.org/", "http://example.org/ ", "http://example.org/\tx",
    "http://example.org/\r\nHost: x", "http://example.org/\x00", "\x01http://example.org/", "http://example.org/\x7f",
    "http://example.org/\x85", "http://example.org/\u2028", "http://example.org/\u3000", "http://example.org/\ud800",
    "http://[::1/", "http://::1/", "http://[::1%25lo]/", "http://[fe80::1%lo]/", "http://[v1.a]/", "http://[example.org]/",
    "http://exämple..org/", "http://\u200b/", "http://a\u2215b/", "http://a\u2044b.example/", "http://例え。\u3002/",
    "http://example.org:x/", "http://example.org:-1/", "http://example.org:99999/", "http://example.org:８０/",
    "http://example.org:0/", "file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "dict://example.org/",
    "ldap://example.org/", "javascript:alert(1)", "data:,x", "jar:http://example.org!/", "ws://example.org/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "hhttp://example.org/", "http://" + "a" * 256 + ".example/",
]  # fmt: skip


@pytest.mark.parametrize("url", MALFORMED)
def test_what_can_be_read_in_two_ways_is_refused_before_anybody_is_asked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with pytest.raises(OutboundRefused):
        check_url(url)
    with pytest.raises(OutboundRefused):
        outbound.send("GET", url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://EXAMPLE.org/", "example.org"), ("https://example.org./", "example.org."),
        ("https://bücher.example/", "xn--bcher-kva.example"), ("https://faß.example/", "xn--fa-hia.example"),
        ("https://例え.テスト/", "xn--r8jz45g.xn--zckzah"), ("https://my_host.example/", "my_host.example"),
        ("https://ｅｘａｍｐｌｅ．org/", "example.org"),
    ],
)  # fmt: skip
def test_one_name_is_what_everybody_sees(url: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(name: str, port: int, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return resolving_to("10.0.0.1")(name, port)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for call in (check_url, lambda url: outbound.send("GET", url)):
        with pytest.raises(OutboundRefused, match=f"{host} resolves to 10"):
            call(url)
    assert set(asked) == {host}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nope", "The URL must begin with http:// or https://, such as https://example.com/path."),
        ("ftp://example.org/", "Only http and https URLs are allowed, not 'ftp'."),
        ("http://10.0.0.1/", "10.0.0.1 is not a public address; OUTBOUND_ALLOW can allow it."),
        ("http://[::1]/", "::1 is not a public address; OUTBOUND_ALLOW can allow it."),
        ("http://2130706433/", "2130706433 resolves to 127.0.0.1, which is not a public address;"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_url(url: str, said: str) -> None:
    with pytest.raises(OutboundRefused, match=f"^{re.escape(said)}"):
        check_url(url)


def test_a_name_that_does_not_resolve_is_named_without_details(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OutboundFailed, match=r"^The name nope\.invalid does not resolve\.$"):
        check_url("http://nope.invalid/")


@pytest.mark.parametrize("url", ["https://example.org/t\n", "\t https://example.org/t \r\n"])
def test_white_space_around_a_url_that_people_write_is_removed(url: str) -> None:
    assert outbound.escaped(url) == "https://example.org/t"


DEFAULT_PORTS = ["80", "443", "1024-65535"]


@pytest.mark.parametrize(
    ("port", "open_"),
    [(80, True), (443, True), (8080, True), (8443, True), (50_000, True), (22, False), (25, False), (110, False),
     (6379, False), (11211, False), (5432, False), (1, False), (1023, False)],
)  # fmt: skip
def test_ports_are_open_by_a_list(port: int, open_: bool, settings: Any) -> None:
    settings.OUTBOUND_ALLOW, settings.OUTBOUND_PORTS = ["10.0.0.1"], DEFAULT_PORTS
    if open_:
        assert check_url(f"http://10.0.0.1:{port}/")[1] == port
    else:
        with pytest.raises(OutboundRefused, match="OUTBOUND_PORTS"):
            check_url(f"http://10.0.0.1:{port}/")
    settings.OUTBOUND_PORTS = ["443", "6379"]  # named by itself it is meant
    assert check_url("http://10.0.0.1:6379/")
    with pytest.raises(OutboundRefused):
        check_url("http://10.0.0.1/")


def test_a_list_of_ports_that_nobody_can_read_is_named_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow_platform import settings as module

    for entry in ("http", "80-", "9-1", "0", "70000", "８０", ""):
        monkeypatch.setenv("OUTBOUND_PORTS", f"443,{entry}")
        monkeypatch.setattr(module, "UNREADABLE_VARIABLES", {})
        assert module._read_ports("OUTBOUND_PORTS", ["80"]) == ["80"]
        assert "OUTBOUND_PORTS" in module.UNREADABLE_VARIABLES
    monkeypatch.delenv("OUTBOUND_PORTS")
    assert module._read_ports("OUTBOUND_PORTS", DEFAULT_PORTS) == DEFAULT_PORTS
    monkeypatch.setenv("OUTBOUND_PORTS", "443, 8000-8999")
    assert module._read_ports("OUTBOUND_PORTS", ["80"]) == ["443", "8000-8999"]
    assert check_environment(None) == []


@pytest.mark.parametrize("bad", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_address_among_good_ones_is_enough(bad: str, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ["93.184.215.14", "2606:4700:4700::1111"]
    found.insert(place, bad)
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(*found))
    with pytest.raises(OutboundRefused):
        outbound.send("GET", "http://innocent.example/")


def slow_names(gate: threading.Event, asked: list[str]) -> Any:
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if not host.endswith(".slow.example") or kwargs.get("flags"):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        gate.wait(60)
        return resolving_to("10.0.0.1")(host, port)

    return resolve


def fails_in_time(url: str) -> None:
    with pytest.raises(OutboundFailed):
        outbound.send("GET", url, timeout_seconds=0.5)


def test_a_name_that_does_not_come_ends_with_the_deadline_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, asked = threading.Event(), list[str]()
    monkeypatch.setattr(socket, "getaddrinfo", slow_names(gate, asked))
    try:
        threads = [threading.Thread(target=fails_in_time, args=["http://one.slow.example/"]) for _ in range(200)]
        for thread in threads:
            thread.start()
        with pytest.raises(OutboundRefused):  # localhost is a name too, asked for in a thread
            check_url("http://localhost/", Watch(5, None))
        for thread in threads:
            thread.join()
        assert asked == ["one.slow.example"]
    finally:
        gate.set()


def test_what_is_saved_is_checked_and_slow_names_do_not_hold_it_up(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOUND_PORTS = DEFAULT_PORTS
    gate, asked = threading.Event(), list[str]()
    monkeypatch.setattr(socket, "getaddrinfo", slow_names(gate, asked))
    monkeypatch.setattr(addresses, "SAVING_SECONDS", 0.3)
    try:
        urls = ["http://[::1]/", "http://a.slow.example/", "http://b.slow.example/", "https://example.org:22/"]
        assert set(check_urls_saved(urls)) == {"http://[::1]/", "https://example.org:22/"}
    finally:
        gate.set()

"""Nobody reaches a private network through the platform, by whatever spelling."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.answering import answering
from workflow_platform.core import outbound
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused, check_url


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost",
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255",
        "[::1]", "[::]", "[fc00::1]", "[fe80::1]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:a00:1]",
        "[2002:7f00:1::]", "[64:ff9b::127.0.0.1]", "[2001:0:7f00:1::]",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    with pytest.raises(OutboundRefused):
        check_url(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "//example.org/", "example.org", "",
        "http://", "http:///x", "http://user@example.org/", "http://user:password@example.org/",
        "http://example.org\\@127.0.0.1/", "http://exa mple.org/", "http://example.org/\r\nHost: x", "http://[::1/",
        "http://example.org:99999/",
    ],
)  # fmt: skip
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefused):
        check_url(url)


def resolving_to(*addresses: str) -> Any:
    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.215.14", "10.0.0.1"]])
def test_a_name_that_leads_to_a_private_address_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(*addresses))
    with pytest.raises(OutboundRefused):
        check_url("http://innocent.example/")


def test_a_public_address_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("93.184.215.14"))
    assert check_url("https://example.org/")[:2] == ("example.org", 443)


def test_what_is_allowed_by_network_or_name_passes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTBOUND_ALLOW = ["10.1.0.0/16", "inside.example"]
    assert check_url("http://10.1.2.3/")
    with pytest.raises(OutboundRefused):
        check_url("http://10.2.0.1/")
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("192.168.0.9"))
    assert check_url("http://inside.example/")


def test_the_address_that_was_checked_is_the_one_that_is_called(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may lead elsewhere when it is asked for a second time."""
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return resolving_to("127.0.0.2" if len(asked) == 1 else "127.0.0.1")(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with answering() as server:
        server.open()
        url = f"http://rebinding.example:{server.server_port}/"
        answer = outbound.send("POST", url, params={}, headers={}, body=None, timeout_seconds=10, cancelled=None)
        assert answer.status == 200
        assert server.asked[0]["host"] == f"rebinding.example:{server.server_port}"


def test_an_answer_that_does_not_come_in_time_is_a_failure(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server, pytest.raises(OutboundFailed):
        outbound.send("POST", server.url, params={}, headers={}, body=None, timeout_seconds=0.2, cancelled=None)

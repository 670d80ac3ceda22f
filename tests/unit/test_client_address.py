"""Whose address a request came from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_platform.core.requests.client_address import client_address, networks, parse


def of(settings: Any, peer: str, forwarded: str | None, *proxies: str) -> str:
    settings.TRUSTED_PROXIES = list(proxies)
    meta = {"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    return str(client_address(meta))


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "client"),
    [
        ("198.51.100.1", None, (), "198.51.100.1"),
        ("198.51.100.1", "203.0.113.9", (), "198.51.100.1"),
        ("198.51.100.1", "203.0.113.9", ("10.0.0.0/8",), "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.9.9.9", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9,made up, 10.9.9.9", ("10.0.0.0/8",), "10.9.9.9"),
        ("10.0.0.1", "10.0.0.7, 10.0.0.8", ("10.0.0.0/8",), "10.0.0.7"),
        ("10.0.0.1", "203.0.113.9:4711", ("10.0.0.0/8",), "203.0.113.9"),
        ("::ffff:10.0.0.1", '"[2001:db8::7]:4711"', ("10.0.0.0/8",), "2001:db8::7"),
        ("fd00::1", "2001:db8::7", ("fd00::/8",), "2001:db8::7"),
        ("", "203.0.113.9", ("10.0.0.0/8",), "None"),
    ],
)
def test_a_header_is_believed_as_far_as_our_proxies_wrote_it(
    settings: Any, peer: str, forwarded: str | None, proxies: tuple[str, ...], client: str
) -> None:
    assert of(settings, peer, forwarded, *proxies) == client


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    parse(text)


def test_what_is_no_network_is_told() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        networks(("10.0.0.0/33",))

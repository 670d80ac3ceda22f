"""Probes over plain HTTP, by address, and who may read the metrics, the schema, and requests without TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from tests.conftest import ROOT, Platform
from tests.hooking import Hook
from tests.people import Person
from tests.security.raw_http import web_process
from tests.sites import Web

HTTPS = {"X-Forwarded-Proto": "https"}
MADE_UP = {"X-Forwarded-For": "127.0.0.1"}


@pytest.fixture(scope="module")
def secure(platform: Platform) -> Iterator[Web]:
    """A web process behind a proxy on this machine that ends TLS."""
    settings = {
        "HTTPS": "true",
        "ALLOWED_HOSTS": "flows.example.com",
        "TRUSTED_PROXIES": "127.0.0.1",
        "METRICS_ALLOW": "198.51.100.0/24,2001:db8::7",
        "API_DOCS_PUBLIC": "false",
    }
    with web_process(platform, **settings) as web:
        yield web


def get(web: Web, path: str, host: str = "flows.example.com", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(web.url + path, headers={"Host": host} | named, timeout=240, allow_redirects=False)


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "[::1]:8000", "127.0.0.1", "flows.example.com"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_answer_over_plain_http_under_an_address(secure: Web, path: str, host: str) -> None:
    answer = get(secure, path, host)
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_a_name_that_is_not_ours_reads_no_probe(secure: Web, path: str) -> None:
    assert get(secure, path, "rebound.example.net").status_code == 400


def test_everything_else_is_sent_to_https(secure: Web) -> None:
    for path in ("/login/", "/api/workflows/", "/healthz/", "/metricsx"):
        answer = get(secure, path)
        assert (answer.status_code, answer.headers["Location"]) == (301, f"https://flows.example.com{path}")
    assert get(secure, "/login/", "10.0.0.7").status_code == 400


def test_hsts_speaks_of_this_host_alone_until_settings_say_more(platform: Platform, secure: Web) -> None:
    assert get(secure, "/healthz", **HTTPS).headers["Strict-Transport-Security"] == "max-age=31536000"
    settings = {"HTTPS": "true", "HSTS_SECONDS": "60", "HSTS_INCLUDE_SUBDOMAINS": "true", "HSTS_PRELOAD": "true"}
    with web_process(platform, **settings) as web:
        said = get(web, "/healthz", "127.0.0.1", **HTTPS).headers["Strict-Transport-Security"]
    assert said == "max-age=60; includeSubDomains; preload"


def test_pages_carry_the_headers_and_cookies_that_protect_them(secure: Web) -> None:
    answer = get(secure, "/login/", **HTTPS)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("csrftoken=")
    assert "; secure" in cookie
    assert "; httponly" in cookie
    assert "; samesite=lax" in cookie


def test_a_webhook_takes_no_secret_over_plain_http(platform: Platform, secure: Web) -> None:
    hook = Hook(platform)
    url = f"{secure.url}/hooks/{hook.path}"
    refused = requests.post(url, json={}, headers={"X-Api-Key": "secret"}, timeout=240, allow_redirects=False)
    assert refused.status_code == 403
    assert "only HTTPS" in refused.json()["detail"]
    taken = requests.post(url, json={}, headers=HTTPS, timeout=240)
    assert taken.status_code == 202
    first, second = hook.log()
    assert (first["accepted"], first["status_code"], first["body"]) == (False, 403, "")
    assert second["accepted"]


def test_metrics_are_closed_to_whoever_a_proxy_on_this_machine_brings(platform: Platform, secure: Web) -> None:
    assert "webhooks_pending" in get(secure, "/metrics").text
    for forwarded in ("203.0.113.9", "127.0.0.1", "127.0.0.1, 203.0.113.9", "198.51.100.7, 203.0.113.9", "unknown"):
        answer = get(secure, "/metrics", **HTTPS, X_Forwarded_For=forwarded)
        assert answer.status_code == 401, forwarded
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert get(secure, "/api/metrics/", **HTTPS, X_Forwarded_For=forwarded).status_code == 401
    for name in ("X_Real_IP", "Forwarded", "Via", "X_Forwarded_Host"):
        assert get(secure, "/metrics", **{name: "for=127.0.0.1"}).status_code == 401
    # Without TRUSTED_PROXIES nobody knows whom such a proxy brings.
    assert requests.get(f"{platform.url}/metrics", headers=MADE_UP, timeout=240).status_code == 401
    assert requests.get(f"{platform.url}/metrics", timeout=240).status_code == 200
    assert requests.get(f"{platform.url}/api/metrics/", headers=MADE_UP, timeout=240).status_code == 401
    assert requests.get(f"{platform.url}/api/metrics/", timeout=240).json()["slots"] is not None


def test_metrics_are_open_to_allowed_addresses_and_to_staff(platform: Platform, secure: Web) -> None:
    for forwarded in ("198.51.100.7", "203.0.113.9, 198.51.100.7", "2001:db8::7"):
        assert get(secure, "/metrics", **HTTPS, X_Forwarded_For=forwarded).status_code == 200
        assert get(secure, "/api/metrics/", **HTTPS, X_Forwarded_For=forwarded).status_code == 200
    outside = {"X_Forwarded_For": "203.0.113.9"} | HTTPS
    assert get(secure, "/metrics", **outside, Authorization=f"Bearer {platform.token}").status_code == 200
    member = Person(platform, "editor")
    assert get(secure, "/metrics", **outside, Authorization=f"Bearer {member.token}").status_code == 403
    assert get(secure, "/metrics", **outside, Authorization="Bearer guessed").status_code == 401
    for token, status in ((platform.token, 200), (member.token, 403), ("guessed", 401)):
        answer = get(secure, "/api/metrics/", **outside, Authorization=f"Bearer {token}")
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/api/asyncapi/"])
def test_schema_and_docs_can_be_closed(platform: Platform, secure: Web, path: str) -> None:
    closed = get(secure, path, **HTTPS)
    assert closed.status_code == 401
    assert closed.headers["Content-Type"].startswith("application/problem+json")
    assert get(secure, path, **HTTPS, Authorization=f"Bearer {platform.token}").status_code == 200
    assert requests.get(platform.url + path, timeout=240).status_code == 200


def test_bad_settings_are_named() -> None:
    bad = {"METRICS_ALLOW": "here", "HSTS_SECONDS": "-1", "REQUEST_BODIES_MAX_BYTES": "0"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=os.environ | bad, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "METRICS_ALLOW: 'here' is neither an address" in done.stderr
    assert "HSTS_SECONDS must not be negative" in done.stderr
    assert "REQUEST_BODIES_MAX_BYTES must be greater than 0" in done.stderr

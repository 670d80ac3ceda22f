"""The headers of pages: everything works under the content policy, and pages are compressed and not stored."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.conftest import Platform

pytestmark = pytest.mark.browser

PAGES = (
    "/", "/workflows/", "/events/", "/approvals/", "/credentials/", "/webhooks/", "/webhooks/deliveries/",
    "/webhooks/inbound/", "/webhooks/reconciliation/", "/account/", "/account/tokens/", "/workspaces/", "/admin/",
    "/admin/accounts/user/", "/admin/accounts/user/add/", "/admin/executions/execution/", "/admin/webhooks/delivery/",
    "/admin/rq/",
)  # fmt: skip
MODULES = """() => [
  performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.includes("/static/js/")),
  [...document.querySelectorAll("link[rel=modulepreload], script[src*='/static/js/']")]
    .map((each) => each.href ?? each.src),
].map((urls) => [...new Set(urls)].sort())"""
"""The scripts that a page has loaded, and those that its HTML names."""
HASHED = re.compile(r"\.[0-9a-f]{12}\.js$")


def test_nothing_on_any_page_breaks_the_policy(platform: Platform, visitor: Visitor) -> None:
    page = visitor.open("/")
    for path in PAGES:
        response = page.goto(path, wait_until="load")
        assert response is not None
        headers = response.headers
        policy = headers["content-security-policy"]
        assert response.status == 200, path
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert "no-store" in headers["cache-control"], path
        assert "camera=()" in headers["permissions-policy"], path
        if not path.startswith("/admin/"):
            loaded, named = page.evaluate(MODULES)
            assert loaded == named, path
            assert all(HASHED.search(url) for url in loaded), path
    page.goto("/api/docs/")
    expect(page.get_by_text("/api/account/", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="Back to the platform")).to_be_visible()
    # Each breach of the policy is an error in the console, of which the visitor has none at the end.


def test_static_files_are_compressed_and_those_with_a_hash_are_kept_for_a_year(platform: Platform) -> None:
    login = requests.get(f"{platform.url}/login/", timeout=60).text
    name = re.search(r'"/static/js/page.js":"([^"]+)"', login)
    assert name is not None
    script = requests.get(platform.url + name[1], timeout=60)
    assert script.headers["Cache-Control"] == "max-age=31536000, public, immutable"
    assert script.headers["Content-Encoding"] == "gzip"
    assert "Shared by the pages" not in script.text  # its first comment
    plain = requests.get(f"{platform.url}/static/js/page.js", headers={"Accept-Encoding": "identity"}, timeout=60)
    assert plain.headers["Cache-Control"] == "max-age=60, public"
    assert "Content-Encoding" not in plain.headers


def test_pages_and_json_are_compressed_and_secrets_are_not(platform: Platform) -> None:
    page = requests.get(f"{platform.url}/login/", timeout=60)
    assert page.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["Vary"]
    listed = platform.request("GET", "/api/node-types/")
    assert (listed.headers["Content-Encoding"], listed.headers["Cache-Control"]) == ("gzip", "private, no-store")
    made = platform.request("POST", "/api/tokens/", json={"name": "x" * 100, "scopes": ["read"]})
    assert "Content-Encoding" not in made.headers
    plain = platform.request("GET", "/api/node-types/", headers={"Accept-Encoding": "identity"})
    assert plain.json() == listed.json()
    assert "Content-Encoding" not in plain.headers


def test_a_form_that_is_out_of_date_gets_a_page_and_browsers_get_an_icon(platform: Platform) -> None:
    for path in ("/logout/", "/login/", "/workspaces/choose/"):
        refused = requests.post(platform.url + path, timeout=60)
        assert (refused.status_code, "This form is out of date" in refused.text) == (403, True)
    icon = requests.get(f"{platform.url}/favicon.ico", timeout=60)
    assert (icon.status_code, icon.headers["Content-Type"]) == (200, "image/svg+xml")

"""The test URL of a webhook trigger: what is sent there shows on the workflow's page at once."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests import github_payloads
from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.hooking import Hook, credential

pytestmark = pytest.mark.browser
SECRET = "a secret that GitHub has too"


def test_a_request_to_the_test_url_shows_at_once_and_becomes_the_input_of_a_run(
    platform: Platform, visitor: Visitor
) -> None:
    secret = credential(platform, "webhook_secret", secret=SECRET)
    hook = Hook(platform, active=False, auth={"type": "github", "credential": secret})
    page = visitor.open(f"/workflows/{hook.workflow}/")
    card = page.get_by_role("region", name="Webhook")
    expect(card).to_contain_text("GitHub's signature")
    expect(card).to_contain_text(f"{platform.url}/hooks/test/{hook.path}")
    expect(card).to_contain_text("Requests to the test URL appear here.")
    expect(page.locator("#connection")).to_have_text("live")
    body, headers = github_payloads.request("ping", {"zen": "Keep calm <b>now</b>"}, SECRET)
    assert hook.call(body, headers, test=True, query="?from=here").status_code == 200
    rows = card.get_by_role("list", name="Test requests").locator("> li")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text('zen: "Keep calm <b>now</b>"')
    assert hook.call(body + b" ", headers, test=True).status_code == 401
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("The signature is wrong")
    rows.last.locator("summary").first.click()
    expect(rows.last).to_contain_text('from: "here"')
    expect(rows.last).to_contain_text('x-github-event: "ping"')
    rows.last.get_by_role("button", name="Use as input").click()
    ((item),) = json.loads(page.locator("#input").input_value())
    assert (item["method"], item["body"]) == ("POST", {"zen": "Keep calm <b>now</b>"})
    again = visitor.open(f"/workflows/{hook.workflow}/", **PHONE)
    expect(again.get_by_role("list", name="Test requests").locator("> li")).to_have_count(2)
    assert again.evaluate("document.documentElement.scrollWidth <= innerWidth")

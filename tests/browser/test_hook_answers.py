"""An answer to a webhook that somebody opens who is logged in: it is shown, and no script in it runs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP
from tests.conftest import Platform
from tests.workflows import edge, node

pytestmark = pytest.mark.browser

STEAL = """
fetch('/api/tokens/', {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json',
 'X-CSRFToken': (document.cookie.match(/csrftoken=([^;]+)/) || [])[1] || ''}, body: '{"name": "stolen"}'});
navigator.serviceWorker && navigator.serviceWorker.register(location.pathname + '?as=script', {scope: '/hooks/'});
document.documentElement.setAttribute('data-ran', '1');
"""
SVG = "http://www.w3.org/2000/svg"
XHTML = "http://www.w3.org/1999/xhtml"
ANSWERS = {
    "text/html": f"<title>opened</title><script>{STEAL}</script>"
    """<img src="data:," onerror="document.documentElement.setAttribute('data-ran', '1')">"""
    '<form method="post" action="/logout/" id="f"><button autofocus>x</button></form>',
    "image/svg+xml": f'<svg xmlns="{SVG}"><title>opened</title><script><![CDATA[{STEAL}]]></script></svg>',
    "application/xhtml+xml": f'<html xmlns="{XHTML}"><head><title>opened</title></head><body>'
    f"<script><![CDATA[{STEAL}]]></script></body></html>",
    "text/xml": f'<a><x:script xmlns:x="{XHTML}"><![CDATA[{STEAL}]]></x:script></a>',
    "text/plain": f"<script>{STEAL}</script>",
}


def answering(platform: Platform, type_: str | None, body: str) -> str:
    """Make a webhook that answers a GET so. Returns its path."""
    path = f"page-{uuid4().hex[:8]}"
    headers = {} if type_ is None else {"Content-Type": type_}
    definition = {
        "name": "A page",
        "nodes": [
            node("hook", "webhook_trigger", path=path, methods=["GET"], respond="respond_node"),
            node("answer", "respond_to_webhook", headers=headers, body=body),
        ],
        "edges": [edge("hook", "answer")],
        "active": True,
    }
    made = platform.request("POST", "/api/workflows/", json=definition)
    assert made.status_code == 201, made.text
    return path


def test_no_answer_of_a_webhook_can_act_as_the_person_who_opens_it(
    platform: Platform, browser: Any, session: Any
) -> None:
    with browser.new_context(base_url=platform.url, viewport=DESKTOP, storage_state=session) as context:
        asked: list[str] = []
        context.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
        for type_, body in [*ANSWERS.items(), (None, ANSWERS["text/html"])]:
            page: Page = context.new_page()
            shown = page.goto(f"/hooks/{answering(platform, type_, body)}")
            assert shown is not None
            assert (shown.status, shown.headers["content-security-policy"]) == (200, "sandbox"), type_
            page.wait_for_load_state("networkidle")
            # Asked by the browser's debugger, which runs in sandboxed pages too.
            assert page.evaluate("document.documentElement.getAttribute('data-ran')") is None, type_
            assert page.evaluate("self.origin") == "null", type_
            page.close()
        assert [each for each in asked if "/api/" in each or each.startswith("POST")] == []
        assert context.service_workers == []
    tokens = platform.request("GET", "/api/tokens/").json()
    assert "stolen" not in str(tokens)

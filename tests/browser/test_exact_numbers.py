"""Pages show integers as they are, also those that JavaScript would round, and send them on unchanged."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_monitor import start
from tests.conftest import Platform
from tests.executing import until
from tests.workflows import edge, node

LARGE = 9007199254740993
ITEM = {
    "id": 18446744073709551615,
    "below": -9223372036854775808,
    "safe": 9007199254740991,
    "half": 0.12345678901234568,
    "text": '9007199254740993 "9007199254740993" \\',
    "none": None,
    "名": "é🙂",
    "deep": [[[[[[LARGE]]]]]],
}
IN_THE_MODULE = """async (text) => {
  const { read, write } = await import("/static/js/exact_json.js");
  return [write(read(text)), write(read(text), 2), JSON.stringify(JSON.parse(text))];
}"""


def test_an_integer_that_javascript_would_round_is_shown_searched_and_copied_exactly(
    platform: Platform, visitor: Visitor
) -> None:
    definition = {"name": "Large", "nodes": [node("start", "manual_trigger"), node("end", "no_op")],
                  "edges": [edge("start", "end")]}  # fmt: skip
    execution = start(platform, definition, [ITEM])["id"]
    until(platform, execution, "completed")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(f"/executions/{execution}/?node=end")
    output = page.get_by_role("region", name="Output")
    for shown in ("18446744073709551615", "-9223372036854775808", "9007199254740991", '名: "é🙂"'):
        expect(output).to_contain_text(shown)
    output.get_by_role("searchbox").fill("740993")
    expect(output.locator(".found")).to_have_count(2)
    output.get_by_role("searchbox").fill("")
    for form in ("Table", "JSON"):
        output.get_by_role("radio", name=form).check()
        expect(output).to_contain_text("18446744073709551615")
    output.get_by_role("radio", name="Tree").check()
    output.get_by_role("button", name="Copy output as JSON").click()
    expect(page.get_by_text("Copied to the clipboard.")).to_be_visible()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == [ITEM]

    text = json.dumps([ITEM, 2**64, -(2**63) - 1, 1e300])
    plain, indented, rounded = page.evaluate(IN_THE_MODULE, text)
    for written in (plain, indented):
        exact, *doubles = json.loads(written)
        assert exact == ITEM
        assert [float(each) for each in doubles] == [2.0**64, -(2.0**63), 1e300]
    assert str(LARGE) not in str(json.loads(rounded)[0]["deep"])

from tests.browser.test_trace import traced  # noqa


def test_shots(visitor, platform, traced):
    for name, w, h in (("wide", 1440, 900), ("phone", 390, 844)):
        for scheme in ("light", "dark"):
            page = visitor.open(f"/executions/{traced.execution}/trace/", width=w, height=h)
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)
            page.screenshot(path=f"/tmp/shots/{name}-{scheme}.png", full_page=True)
            page.close()
    page = visitor.open(f"/executions/{traced.execution}/")
    page.wait_for_timeout(1500)
    page.screenshot(path="/tmp/shots/monitor.png")

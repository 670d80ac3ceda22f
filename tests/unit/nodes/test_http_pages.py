"""The pages that http_request fetches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from executions.domain.errors import NodeError
from tests.telling import Telling, telling
from tests.unit.nodes.running import run

JSON = "Content-Type: application/json"


@pytest.fixture
def web(settings: Any) -> Iterator[Telling]:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    with telling() as server:
        yield server


def fetch(web: Telling, path: str = "/", /, pagination: Any = None, **parameters: Any) -> list[Any]:
    result = run("http_request", {}, url=web.url + path, pagination=pagination, **parameters)
    assert result.lineage["main"] in ("same", [0] * len(result.outputs["main"]))
    return [item["body"] for item in result.outputs["main"]]


def tell(web: Telling, path: str, *bodies: Any, status: int = 200, headers: tuple[str, ...] = ()) -> None:
    for body in bodies:
        web.tell(path, orjson.dumps(body), JSON, *headers, status=status)


def targets(web: Telling) -> list[str]:
    return [target for _, target, _, _ in web.asked]


def test_the_next_url_is_followed_until_there_is_none(web: Telling) -> None:
    tell(web, "/", {"n": 1, "next": "/b?page=2"})
    tell(web, "/b", {"n": 2, "next": f"{web.url}/c"})
    tell(web, "/c", {"n": 3, "next": None})
    assert [page["n"] for page in fetch(web, "/", {"mode": "next_url"}, query={"q": 1})] == [1, 2, 3]
    assert targets(web) == ["/?q=1", "/b?page=2", "/c"]


def test_the_link_header_names_the_next_page(web: Telling) -> None:
    tell(web, "/", [1], headers=('Link: </a>; rel="prev", </b>; rel="next last"',))
    tell(web, "/b", [2], headers=('Link: </>; rel="first"',))
    assert fetch(web, "/", {"mode": "link_header"}) == [[1], [2]]


def test_numbers_grow_until_a_page_is_empty(web: Telling) -> None:
    tell(web, "/", [1, 2], [3], [])
    assert fetch(web, "/", {"mode": "page", "parameter": "offset", "start": 0, "step": 2}) == [[1, 2], [3]]
    assert targets(web) == ["/?offset=0", "/?offset=2", "/?offset=4"]
    tell(web, "/body", {"items": [1]}, {"items": []})
    pagination = {"mode": "page", "place": "body", "items": "body.items"}
    assert fetch(web, "/body", pagination, method="POST", body={"size": 1}) == [{"items": [1]}]
    assert [body for _, target, _, body in web.asked if target == "/body"] == [
        b'{"size":1,"page":1}',
        b'{"size":1,"page":2}',
    ]
    keys = [headers["idempotency-key"] for _, target, headers, _ in web.asked if target == "/body"]
    assert keys[1] == f"{keys[0]}/1"
    tell(web, "/none", [])
    assert fetch(web, "/none", {"mode": "page"}) == [[]]


def test_cursors_and_statuses_end_the_pages(web: Telling) -> None:
    tell(web, "/", {"meta": {"cursor": "x y"}}, {"meta": {"cursor": 7}}, {"meta": {}})
    pages = fetch(web, "/", {"mode": "cursor", "next": "body.meta.cursor", "parameter": "after"}, query={"q": 1})
    assert len(pages) == 3
    assert targets(web) == ["/?q=1", "/?q=1&after=x+y", "/?q=1&after=7"]
    tell(web, "/end", [1])
    tell(web, "/end", {"error": "none"}, status=404)
    assert fetch(web, "/end", {"mode": "page", "end_statuses": [404]}) == [[1]]


def test_limits_are_kept_and_told(web: Telling, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(web, "/", [1])
    assert fetch(web, "/", {"mode": "page", "max_pages": 3}) == [[1]] * 3
    monkeypatch.setattr("executions.nodes.http.pages.MAX_PAGES", 4)
    with pytest.raises(NodeError, match="more than 4 pages"):
        fetch(web, "/", {"mode": "page"})
    settings.NODE_OUTPUT_MAX_BYTES = 5
    with pytest.raises(NodeError, match="the first 2 pages have 6 bytes; at most 5"):
        fetch(web, "/", {"mode": "page"})


@pytest.mark.parametrize(
    ("next_page", "said"), [(7, "must be a URL, not 7"), ("/", "names itself"), ("file:///x", "http")]
)
def test_a_next_page_that_cannot_be_is_an_error(web: Telling, next_page: Any, said: str) -> None:
    tell(web, "/", {"next": next_page})
    with pytest.raises(NodeError, match=said):
        fetch(web, "/", {"mode": "next_url"})


def test_pages_of_another_host_get_no_credentials_and_no_body(web: Telling) -> None:
    with telling() as other:
        tell(other, "/b", {})
        tell(web, "/", {"next": f"{other.url}/b"})
        fetch(web, "/", {"mode": "next_url"}, headers={"Authorization": "s", "Accept": "text/x"})
        ((_, _, headers, _),) = other.asked
        assert ("authorization" in headers, headers["accept"]) == (False, "text/x")
        with pytest.raises(NodeError, match=r"the next page to .* would send the body to another host"):
            fetch(web, "/", {"mode": "next_url"}, method="POST", body={"a": 1})

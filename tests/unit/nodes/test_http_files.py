"""Files in and out of http_request: answers that are no text, bodies and form fields that are files of items."""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import pytest

from executions.domain.errors import NodeError
from tests.filing import HeldFiles
from tests.telling import Telling, telling
from tests.unit.nodes.running import run_in_context

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
LARGE = b"\x00" + os.urandom(2_000_000)


@pytest.fixture
def web(settings: Any) -> Iterator[Telling]:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    with telling() as server:
        server.tell("/")
        yield server


def call(
    web: Telling, path: str = "/", files: HeldFiles | None = None, item: dict[str, Any] | None = None, **parameters: Any
) -> Any:
    context = {"files": files or HeldFiles()}
    url = {"url": web.url + path} | parameters
    return run_in_context("http_request", {"main": [item or {}]}, context, **url).outputs["main"][0]


def test_an_answer_that_is_no_text_is_a_file(web: Telling) -> None:
    files = HeldFiles()
    web.tell("/p", PNG, "Content-Type: image/png")
    item = call(web, "/p", files)
    assert item["body"] == {"base64": base64.b64encode(PNG).decode(), "size": 10}
    assert item["$binary"]["data"] | {"reference": ""} == {
        "name": "p.png", "media_type": "image/png", "size": 10, "reference": "",
    }  # fmt: skip
    assert files.content(item) == PNG


def test_a_large_answer_goes_to_the_store_while_it_is_received(web: Telling) -> None:
    files = HeldFiles()
    disposition = "Content-Disposition: attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf"
    web.tell("/l", LARGE, "Content-Type: application/pdf", disposition)
    item = call(web, "/l", files, response_binary="pdf")
    assert item["body"] == {"size": len(LARGE), "content_type": "application/pdf", "binary": "pdf"}
    assert item["$binary"]["pdf"]["name"] == "résumé.pdf"
    assert files.content(item, "pdf") == LARGE
    web.tell("/o", LARGE, "Content-Type: application/octet-stream")
    assert files.content(call(web, "/o", files)) == LARGE
    web.tell("/z", gzip.compress(LARGE), "Content-Type: application/zip", "Content-Encoding: gzip")
    assert files.content(call(web, "/z", files)) == LARGE


def test_text_and_json_stay_values_unless_a_file_is_wanted(web: Telling) -> None:
    files = HeldFiles()
    web.tell("/t", b"text", "Content-Type: application/octet-stream")
    assert call(web, "/t", files) | {"headers": 0} == {"status": 200, "headers": 0, "body": "text"}
    web.tell("/j", b'{"base64": "AA==", "size": 1}', "Content-Type: application/json")
    assert call(web, "/j", files)["body"] == {"base64": "AA==", "size": 1}
    assert "$binary" not in call(web, "/j", files)
    assert files.content(call(web, "/j", files, response="file")) == b'{"base64": "AA==", "size": 1}'
    web.tell("/p", PNG, "Content-Type: image/png")
    assert "$binary" not in call(web, "/p", files, response="value")
    web.tell("/e", PNG, "Content-Type: image/png", status=500)
    assert "$binary" not in call(web, "/e", files, fail_on_error_status=False)


def test_a_file_is_sent_as_the_body_or_as_a_part_of_a_form(web: Telling) -> None:
    files = HeldFiles()
    item = files.item('a"b.png', "image/png", LARGE)
    call(web, files=files, item=item, method="POST", binary="data")
    method, _, headers, body = web.asked[-1]
    assert (method, headers["content-type"], headers["content-length"]) == ("POST", "image/png", str(len(LARGE)))
    assert body == LARGE
    call(web, files=files, item=item, method="PUT", binary="data", headers={"content-type": "image/x-other"})
    assert web.asked[-1][2]["content-type"] == "image/x-other"
    form = {"note": "ü", "file": "{{ $json.$binary.data }}"}
    call(web, files=files, item=item, method="POST", body=form, headers={"Content-Type": "multipart/form-data"})
    _, _, headers, body = web.asked[-1]
    assert headers["content-length"] == str(len(body))
    parts = message_from_bytes(f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body).get_payload()
    note, file = parts  # type: ignore[misc]
    assert note.get_payload(decode=True) == "ü".encode()  # type: ignore[union-attr]
    assert file.get_content_type() == "image/png"  # type: ignore[union-attr]
    assert b'Content-Disposition: form-data; name="file"; filename="a%22b.png"' in body
    assert LARGE in body


def test_an_error_says_which_file_is_missing(web: Telling) -> None:
    with pytest.raises(NodeError, match=r"parameters.binary: the item has no file 'data'; it has no files \(item 0\)"):
        call(web, method="POST", binary="data")
    files = HeldFiles()
    item = files.item("a", "image/png", PNG)
    with pytest.raises(NodeError, match=r"parameters.body: leave it empty to send the file 'data' \(item 0\)"):
        call(web, files=files, item=item, method="POST", binary="data", body="text")

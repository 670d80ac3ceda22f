"""Files that arrive at webhooks, on the running platform."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import os
import zipfile
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.conftest import Platform
from tests.executing import events, look, save, until
from tests.hooking import Hook, credential
from tests.telling import telling
from tests.workflows import edge, node

LARGE = os.urandom(1_200_000)
HUGE = os.urandom(1000) * 12_000
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.fixture(scope="module")
def hook(platform: Platform) -> Hook:
    return Hook(platform)


def sent(hook: Hook, body: Any, **headers: str) -> tuple[str, dict[str, Any]]:
    """Return the execution that a request starts, and its item."""
    answer = hook.call(body, {name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == 202, answer.text
    return answer.json()["execution_id"], hook.item(answer.json()["execution_id"])


def content(platform: Platform, execution: str, file: dict[str, Any]) -> bytes:
    answer = platform.request("GET", f"/api/executions/{execution}/binaries/{file['reference']}/")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    return answer.content


def form(*parts: tuple[str, str, str, bytes]) -> tuple[bytes, str]:
    """Return a multipart form, of (field, file name, type, content) for each part; without a name it is a field."""
    made = b""
    for field, name, kind, value in parts:
        named = f'; filename="{name}"\r\nContent-Type: {kind}' if name else ""
        made += f'--limit\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'.encode() + value + b"\r\n"
    return made + b"--limit--\r\n", "multipart/form-data; boundary=limit"


def test_files_of_a_form_are_stored_whatever_their_size(platform: Platform, hook: Hook) -> None:
    text = ("doc", "ü.txt", "text/plain; charset=utf-8", b"small")
    for files in (
        [("doc", "large.bin", "application/x-thing", LARGE), text],
        [("doc", "huge.bin", "video/mp4", HUGE), text],
    ):
        body, kind = form(("note", "", "", b"hello"), *files)
        execution, item = sent(hook, body, Content_Type=kind)
        assert item["body"]["note"] == "hello"
        assert [each["binary"] for each in item["body"]["doc"]] == ["doc", "doc_1"]
        for shown, (_, name, type_, value) in zip(item["body"]["doc"], files, strict=True):
            file = item["$binary"][shown["binary"]]
            assert (file["name"], file["media_type"].partition(";")[0]) == (name, type_.partition(";")[0])
            assert (file["size"], shown["size"]) == (len(value), len(value))
            assert content(platform, execution, file) == value
            assert shown.get("base64") == (None if value is HUGE else base64.b64encode(value).decode())
        assert until(platform, execution)["status"] == "completed"
        (ended, *_) = events(platform, execution, "node_completed")
        assert base64.b64encode(LARGE)[1000:1100].decode() not in str(ended)
    assert hook.call(body[:-20], {"Content-Type": kind}).status_code in {202, 400}


def test_a_body_that_is_no_text_is_a_file(platform: Platform, hook: Hook) -> None:
    execution, item = sent(hook, PNG, Content_Type="image/png", Content_Disposition='attachment; filename="dot.png"')
    assert item["body"]["base64"] == base64.b64encode(PNG).decode()
    assert item["$binary"]["data"]["name"] == "dot.png"
    assert content(platform, execution, item["$binary"]["data"]) == PNG
    execution, item = sent(hook, HUGE, Content_Type="video/mp4")
    assert item["body"] == {"size": len(HUGE), "content_type": "video/mp4", "binary": "data"}
    assert content(platform, execution, item["$binary"]["data"]) == HUGE
    assert look(platform, execution)["status"] in {"queued", "running", "completed"}
    assert hook.log()[-1]["body_bytes"] == len(HUGE)
    for text, kind in (
        (b'{"a": 1}', "application/json"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"hi", "text/plain"),
    ):
        assert "$binary" not in sent(hook, text, Content_Type=kind)[1]
    assert hook.call(b" " * 11_000_000).status_code == 413
    assert (
        hook.call(b"x=" + b"y" * 11_000_000, {"Content-Type": "application/x-www-form-urlencoded"}).status_code == 413
    )


def test_a_large_file_is_verified_before_it_is_stored(platform: Platform) -> None:
    name = credential(platform, "webhook_secret", secret="a secret of some length")
    hook = Hook(platform, auth={"type": "hmac", "credential": name, "header": "X-Signature"})
    signature = hmac.new(b"a secret of some length", HUGE, hashlib.sha256).hexdigest()
    before = platform.query("SELECT count(*) FROM executions_binary")
    assert hook.call(HUGE, {"Content-Type": "video/mp4", "X-Signature": "0" * 64}).status_code == 401
    assert platform.query("SELECT count(*) FROM executions_binary") == before
    execution, item = sent(hook, HUGE, Content_Type="video/mp4", X_Signature=signature)
    assert content(platform, execution, item["$binary"]["data"]) == HUGE
    # A scheme that needs the whole body at once keeps the limit of bodies in memory.
    github = Hook(platform, auth={"type": "github", "credential": name})
    assert github.call(HUGE, {"Content-Type": "video/mp4"}).status_code == 413


def test_a_file_goes_through_a_workflow_and_back_to_the_caller(platform: Platform) -> None:
    with telling() as web:
        web.tell("/up")
        web.tell("/down", PNG, "Content-Type: image/png")
        up = {"method": "PUT", "url": f"{web.url.rstrip('/')}/up", "binary": "data"}
        nodes = [
            node("hook", "webhook_trigger", path=f"files-{uuid4().hex[:8]}", respond="respond_node"),
            node("zip", "compress", operation="compress", name="a.zip"),
            node("kept", "filter", condition="{{ true }}"),
            node("send", "http_request", **up),
            node("fetch", "http_request", url=f"{web.url.rstrip('/')}/down"),
            node("respond", "respond_to_webhook", binary="data", status=201, headers={"X-Name": "a"}),
        ]
        edges = [edge(first["id"], second["id"]) for first, second in pairwise(nodes)]
        save(platform, nodes, edges, active=True)
        url = f"{platform.url}/hooks/{nodes[0]['parameters']['path']}"
        answer = requests.post(url, data=HUGE, headers={"Content-Type": "video/mp4"}, timeout=240)
        assert (answer.status_code, answer.content, answer.headers["X-Name"]) == (201, PNG, "a")
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Security-Policy"] == "sandbox"
        method, _, headers, body = web.asked[0]
        assert (method, headers["content-type"]) == ("PUT", "application/zip")
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert [archive.read(name) for name in archive.namelist()] == [HUGE]

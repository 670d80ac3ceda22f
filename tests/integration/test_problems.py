"""Errors say what is wrong, and where."""

from __future__ import annotations

import json
import tempfile
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.test import APIClient

from workflow_platform.core.accounts.models import User, WorkspaceQuerySet
from workflow_platform.core.api import problems
from workflow_platform.core.api.json_bodies import parse_json

LIMIT = 1024


@pytest.fixture
def client(db: None) -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_user("ada"))
    return client


def test_malformed_json_is_a_400_that_names_the_position(client: APIClient) -> None:
    answer = client.generic("POST", "/api/workspaces/", b'{"name": }', content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert "line 1 column 10" in answer.json()["detail"]
    assert answer.json()["instance"] == "/api/workspaces/"


@pytest.mark.parametrize("body", [b'"\\u0000"', b"1e400", b"NaN", b"[" * 5000, b"\xff", b""])
def test_what_could_not_be_stored_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError, match="line 1 column"):
        parse_json(body)


def test_half_a_character_is_replaced() -> None:
    assert parse_json(b'"\\ud800"') == "\ufffd"


def test_an_escaped_backslash_before_u0000_is_only_text() -> None:
    assert parse_json(b'"\\\\u0000"') == "\\u0000"


def test_nested_errors_are_listed_with_dotted_paths() -> None:
    error = ValidationError({"nodes": [{}, {"name": ["too long"]}], "non_field_errors": ["no"]})
    request = RequestFactory().get("/api/x/")
    answer = problems.exception_handler(error, {"request": request})
    assert answer is not None
    found = [(e["field"], e["message"]) for e in answer.data["errors"]]
    assert found == [("nodes.1.name", "too long"), ("", "no")]


def test_a_bug_is_left_to_django() -> None:
    assert problems.exception_handler(KeyError("x"), {"request": RequestFactory().get("/api/x/")}) is None


def through_the_limit(request: HttpRequest) -> HttpResponse:
    answer = problems.BodyLimitMiddleware(lambda _: HttpResponse("passed"))(request)
    assert isinstance(answer, HttpResponse)
    return answer


def test_a_body_declared_too_large_is_refused_unread(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT
    request = RequestFactory().post("/api/x/", b"{}", content_type="application/json")
    request.META["CONTENT_LENGTH"] = "50000000"
    answer = through_the_limit(request)
    assert answer.status_code == 413
    assert "50000000 bytes" in json.loads(answer.content)["detail"]
    assert not request._read_started


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
def test_a_chunked_body_is_measured(settings: Any, size: int, status: int) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT
    request = RequestFactory().post("/hooks/x", b"", content_type="application/json")
    request.META["CONTENT_LENGTH"] = ""
    with tempfile.SpooledTemporaryFile() as stream:
        stream.write(b" " * size)
        stream.seek(0)
        request._stream = stream
        assert through_the_limit(request).status_code == status
        assert request.META["CONTENT_LENGTH"] == str(size)
        assert stream.tell() == 0


def test_a_content_length_that_is_no_number_is_a_400() -> None:
    request = RequestFactory().post("/api/x/", b"{}", content_type="application/json")
    request.META["CONTENT_LENGTH"] = "ten"
    assert through_the_limit(request).status_code == 400


def test_programs_get_problems_and_people_get_pages() -> None:
    api, page = RequestFactory().get("/api/nothing/"), RequestFactory().get("/nothing/")
    assert problems.handler404(api, Http404())["Content-Type"] == problems.CONTENT_TYPE
    assert problems.handler500(api)["Content-Type"] == problems.CONTENT_TYPE
    assert problems.handler400(api, RequestDataTooBig()).status_code == 413
    assert problems.handler404(page, Http404())["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/workspaces/", "/workflows/"])
def test_without_the_database_everybody_is_told_to_come_again(
    client: APIClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*_: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(WorkspaceQuerySet, "visible_to", is_away)
    client.raise_request_exception = False
    client.force_login(User.objects.get())
    answer = client.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")


async def test_without_the_database_an_event_stream_is_refused_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_away(*_: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("events.streaming.connections.viewer_of", is_away)
    answer = await AsyncClient(raise_request_exception=False).get("/api/events/stream/?stream=executions")
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert json.loads(answer.content)["detail"] == problems.AWAY

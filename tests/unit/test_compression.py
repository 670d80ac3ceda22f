"""Which responses are compressed."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from workflow_platform.core.requests.compression import CompressionMiddleware

BODY = b'{"a": 1}' * 500


def answered(method: str = "GET", content_type: str = "application/json", **headers: str) -> HttpResponse:
    """Return the response after the middleware."""
    name = {key.replace("_", "-"): value for key, value in headers.items()}

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(BODY, content_type=content_type, headers=name)

    request = RequestFactory(headers={"Accept-Encoding": "gzip"}).generic(method, "/")
    response = CompressionMiddleware(view)(request)
    assert isinstance(response, HttpResponse)
    return response


def test_json_and_pages_are_compressed() -> None:
    for content_type in ("application/json", "text/html; charset=utf-8", "application/problem+json"):
        response = answered(content_type=content_type)
        assert (response["Content-Encoding"], gzip.decompress(response.content)) == ("gzip", BODY)


@pytest.mark.parametrize(
    "response",
    [
        answered("POST"),
        answered(Cache_Control="no-store"),
        answered(ETag='"3"'),
        answered(content_type="application/octet-stream"),
    ],
    ids=["unsafe", "secret", "tagged", "file"],
)
def test_secrets_tagged_responses_and_files_are_not(response: HttpResponse) -> None:
    assert response.content == BODY
    assert "Content-Encoding" not in response
    assert response.get("ETag", '"3"') == '"3"'

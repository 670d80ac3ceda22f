"""Middleware in a synchronous and in an asynchronous chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory

from workflow_platform.core.middleware import Middleware


class Guard(Middleware):
    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        return HttpResponse("refused", status=403) if request.path == "/secret" else None

    def completed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response["X-Completed"] = "yes"
        return response


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the view")


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the view")


@pytest.fixture(params=[view, async_view])
def respond(request: pytest.FixtureRequest) -> Callable[[HttpRequest], Any]:
    chain = Guard(request.param)
    assert iscoroutinefunction(chain) == iscoroutinefunction(request.param)
    return async_to_sync(chain) if iscoroutinefunction(chain) else chain


def test_a_refused_request_does_not_reach_the_view(respond: Callable[[HttpRequest], Any]) -> None:
    response = respond(RequestFactory().get("/secret"))
    assert (response.status_code, response.content) == (403, b"refused")
    assert "X-Completed" not in response


def test_the_response_of_the_view_is_completed(respond: Callable[[HttpRequest], Any]) -> None:
    response = respond(RequestFactory().get("/"))
    assert (response.content, response["X-Completed"]) == (b"the view", "yes")

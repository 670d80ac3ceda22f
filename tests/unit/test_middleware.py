"""The base of our middleware, in synchronous and asynchronous chains."""

from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from workflow_platform.core.middleware import Middleware


class Checks(Middleware):
    """Refuses `/no/`, and marks every response."""

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        return HttpResponse("refused", status=400) if request.path == "/no/" else None

    def completed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response["X-Completed"] = "yes"
        return response


def request(path: str) -> HttpRequest:
    made = HttpRequest()
    made.path = path
    return made


def view(_: HttpRequest) -> HttpResponse:
    return HttpResponse("passed")


async def view_async(_: HttpRequest) -> HttpResponse:
    return HttpResponse("passed")


def seen(response: Any) -> tuple[bytes, int, str]:
    return response.content, response.status_code, response["X-Completed"]


def test_a_synchronous_chain_refuses_passes_on_and_completes() -> None:
    checks = Checks(view)
    assert not iscoroutinefunction(checks)
    assert seen(checks(request("/yes/"))) == (b"passed", 200, "yes")
    assert seen(checks(request("/no/"))) == (b"refused", 400, "yes")


async def test_an_asynchronous_chain_does_the_same() -> None:
    checks = Checks(view_async)
    assert iscoroutinefunction(checks)
    assert seen(await checks(request("/yes/"))) == (b"passed", 200, "yes")
    assert seen(await checks(request("/no/"))) == (b"refused", 400, "yes")

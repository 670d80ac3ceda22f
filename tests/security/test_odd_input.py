"""Input that nobody who means well sends: each is a 4xx that names what is wrong, and nothing is done."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import DataError
from django.test import Client, RequestFactory
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tests.security.routes import views
from tests.security.worlds import ask
from workflow_platform import schema_view
from workflow_platform.core.accounts import refresh_tokens
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace
from workflow_platform.core.api import problems
from workflow_platform.schema_view import SchemaView, document

TOO_EARLY_OR_LATE = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
)  # fmt: skip
UNSAID = "(not said)"


@pytest.fixture
def user(db: None) -> User:
    user = User.objects.create_user("ada", password="a-password-for-tests")
    Membership.objects.create(
        user=user, workspace=Workspace.objects.create(slug="tests", name="Tests"), role=Role.ADMIN
    )
    return user


@pytest.fixture
def token(user: User) -> str:
    return ApiToken.issue(user, "tests")[1]


def operations(method: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, found in document()["paths"].items():
        if method in found:
            yield path, found[method]


def fields(answer: Any) -> set[str]:
    return {error["field"] for error in answer.json().get("errors", ())}


# --- The schema ------------------------------------------------------------------------------------------------------


def test_many_who_ask_for_the_schema_at_once_get_the_same() -> None:
    schema_view._document.cache_clear()
    schema_view._rendered.cache_clear()
    barrier, view = Barrier(4), SchemaView.as_view()

    def ask_for_it(_: int) -> tuple[int, bytes]:
        barrier.wait(60)
        answer = view(RequestFactory().get("/api/schema/?format=json"))
        return answer.status_code, answer.content

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(ask_for_it, range(4)))
    assert len(found) == 1
    assert {status for status, _ in found} == {200}


def test_every_operation_names_its_errors() -> None:
    shared = document()["components"]["responses"]
    for method in ("get", "post", "put", "patch", "delete"):
        for path, operation in operations(method):
            errors = {code: answer for code, answer in operation["responses"].items() if code >= "400"}
            assert {"400", "401", "406", "503"} <= set(errors), (method, path)
            assert ("404" in errors) or "{" not in path, (method, path)
            assert ("415" in errors) == ("requestBody" in operation), (method, path)
            for answer in errors.values():
                content = shared[answer["$ref"].rsplit("/", 1)[1]]["content"]
                assert content == {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


# --- Bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_that_is_no_object_is_refused(token: str) -> None:
    for method in ("post", "put", "patch"):
        for path, operation in operations(method):
            if "requestBody" in operation and "{" not in path:
                for body in ([], 1, "x", True, [[]], [{}]):
                    answer = ask(token, method, path, body)
                    assert answer.status_code == 400, (path, body, answer.content)


@pytest.mark.parametrize("kind", [[], {}, 1, None, True, ["none"], {"type": "none"}])
def test_an_authentication_of_no_type_is_refused(token: str, kind: Any) -> None:
    delivery = {"url": "https://example.com/", "authentication": {"type": kind}}
    assert "authentication.type" in fields(ask(token, "post", "/api/webhooks/deliveries/", delivery))
    endpoint = {"url": "https://example.com/", "event_types": ["*"]}
    made = ask(token, "post", "/api/webhooks/endpoints/", endpoint).json()["id"]
    for method, path in (("post", "/api/webhooks/endpoints/"), ("patch", f"/api/webhooks/endpoints/{made}/")):
        assert "auth.type" in fields(ask(token, method, path, endpoint | {"auth": {"type": kind}}))


@pytest.mark.parametrize("said", [0, 1, "no", "false", "true", "", [], {}, 0.0])
def test_a_dry_run_is_true_or_false_and_nothing_else(token: str, said: Any) -> None:
    endpoint = {"url": "https://example.com/", "event_types": ["*"]}
    made = ask(token, "post", "/api/webhooks/endpoints/", endpoint).json()["id"]
    since = {"since": "2020-01-01T00:00:00Z"}
    for path, body, name in (
        ("/api/executions/rerun/", since, "dry_run"),
        ("/api/executions/rerun/", since, "skip_rerun"),
        ("/api/webhooks/operations/", {"kind": "cancel", "filter": since}, "dry_run"),
        (f"/api/webhooks/endpoints/{made}/recover/", since, "dry_run"),
        (f"/api/webhooks/endpoints/{made}/replay/", since, "dry_run"),
        ("/api/webhooks/reconciliation/check/", {"endpoint": made, "hour": since["since"]}, "repair"),
        ("/api/events/replay/", {"filter": {}}, "at_once"),
        ("/api/workflows/", {"name": "x", "nodes": [], "edges": []}, "active"),
        ("/api/webhooks/endpoints/", endpoint, "active"),
        ("/api/webhooks/endpoints/", endpoint, "follow_redirects"),
    ):
        answer = ask(token, "post", path, body | {name: said})
        assert (answer.status_code, fields(answer)) == (400, {name}), (path, answer.content)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"name": "\xff"}', "not JSON"),
        (b'{"name": NaN}', "not JSON"),
        (b'{"name": Infinity}', "not JSON"),
        (b'{"name": 1e999}', "not JSON"),
        (b'{"name": ' + b"[" * 201 + b"]" * 201 + b"}", "nested more than 200"),
        (b'{"a":' * 150_000 + b"1" + b"}" * 150_000, "not JSON"),
    ],
)
def test_json_that_cannot_be_stored_is_refused(token: str, body: bytes, said: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = Client(headers=headers).generic("POST", "/api/workspaces/", body, content_type="application/json")
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_no_value_of_another_type_is_converted(token: str) -> None:
    for path, body in (
        ("/api/workspaces/", {"name": 1}),
        ("/api/tokens/", {"name": True}),
        ("/api/tokens/", {"name": "x", "expires_at": 1}),
        ("/api/workflows/", {"name": 1, "nodes": []}),
        ("/api/credentials/", {"name": 1, "type": "bearer", "data": {}}),
        ("/api/credentials/", {"workspace": 1, "name": "x", "type": "bearer", "data": {}}),
        ("/api/executions/rerun/", {"limit": "5", "workflow": str(uuid4())}),
        ("/api/executions/rerun/", {"limit": True, "workflow": str(uuid4())}),
        ("/api/executions/rerun/", {"ids": [1]}),
        ("/api/events/replay/", {"filter": {"types": [1]}}),
        ("/api/events/replay/", {"filter": {"workflow": 1}}),
        ("/api/events/replay/", {"filter": {}, "speed": "1"}),
        ("/api/webhooks/deliveries/", {"url": "https://example.com/", "timeout": "15"}),
        ("/api/webhooks/deliveries/", {"url": "https://example.com/", "headers": {"X-A": 1}}),
        ("/api/webhooks/retry-presets/preview/", {"preset": "custom", "max_attempts": "3"}),
        ("/api/webhooks/retry-presets/preview/", {"retry_other_4xx": "no"}),
    ):
        answer = ask(token, "post", path, body)
        assert answer.status_code == 400, (path, body, answer.content)
        assert fields(answer), (path, answer.content)


# --- Queries ---------------------------------------------------------------------------------------------------------


def test_a_filter_that_there_is_none_of_is_refused(token: str) -> None:
    lists = [path for path, found in operations("get") if "{" not in path and found.get("parameters")]
    assert len(lists) >= 15
    for path in lists:
        answer = ask(token, "get", f"{path}?nonsense=failed")
        assert answer.status_code == 400, (path, answer.content)
        assert fields(answer) == {"nonsense"}, path


def test_a_filter_without_a_value_is_refused(token: str) -> None:
    for path, found in operations("get"):
        for parameter in found.get("parameters", ()) if "{" not in path else ():
            name = parameter["name"]
            if parameter["in"] == "query" and name not in {"q", "format"}:
                answer = ask(token, "get", f"{path}?{name}=")
                assert (answer.status_code, name in fields(answer)) == (400, True), (path, name, answer.content)


@pytest.mark.parametrize(
    "address",
    [
        "executions/?status=unheard-of", "executions/?status=failed&status=", "executions/?trigger=me",
        "executions/?workflow=1", "executions/?since=yesterday", "executions/?since=2026-13-01",
        "approvals/?show=none", "events/?type=unheard.of", "events/?type=,", "events/?order=random",
        "events/?limit=0", "events/?limit=1.5", "events/?limit=99999999999999999999", "events/?after=x",
        "events/?limit=1&limit=2", "events/replays/?mine=1", "events/replays/?mine=True",
        "webhooks/deliveries/?status=gone", "webhooks/deliveries/?origin=me", "webhooks/deliveries/?endpoint=x",
        "webhooks/deliveries/?status_code=9", "webhooks/deliveries/?event_type=unheard.of",
        "webhooks/endpoints/?active=0", "webhooks/endpoints/?active=no", "webhooks/inbound/?accepted=yes",
        "webhooks/inbound/?test=2", "webhooks/inbound/?status_code=\u0665\u0660\u0660",
        "webhooks/operations/?kind=all", "webhooks/operations/?state=x", "webhooks/reconciliation/?unbalanced=no",
        "workflows/?limit=0", "workflows/?limit=-1", "workflows/?limit=ten", "workflows/?limit=1e2",
        "workflows/?format=xml", "trace/", "trace/?execution=x",
    ],
)  # fmt: skip
def test_a_filter_with_a_value_that_makes_no_sense_is_refused(token: str, address: str) -> None:
    answer = ask(token, "get", f"/api/{address}")
    assert answer.status_code == 400, answer.content
    assert fields(answer), answer.content


@pytest.mark.parametrize("place", ["x", "é", "====", "%ff", "p=x", "p=", "o=-1", "o=x", "r=x", "p=9999-99-99", "p=\0"])
def test_a_cursor_that_is_none_is_refused(token: str, place: str) -> None:
    cursor = base64.b64encode(place.encode()).decode() if "=" in place and place.strip("=") else place
    for path in ("workflows", "executions", "webhooks/reconciliation", "tokens", "workspaces"):
        answer = ask(token, "get", f"/api/{path}/?cursor={cursor}")
        assert (answer.status_code, fields(answer)) == (400, {"cursor"}), (path, answer.content)


@pytest.mark.parametrize("moment", TOO_EARLY_OR_LATE)
def test_a_time_out_of_reach_is_the_beginning_or_the_end(token: str, moment: str) -> None:
    said = moment.replace("+", "%2B")
    for path, found in operations("get"):
        names = {parameter["name"] for parameter in found.get("parameters", ())} & {"since", "until"}
        for name in names if "{" not in path else ():
            answer = ask(token, "get", f"{path}?{name}={said}")
            assert answer.status_code == (200 if "stats" not in path else answer.status_code), (path, answer.content)
            assert answer.status_code in {200, 400}, (path, answer.content)
    endpoint = {"url": "https://example.com/", "event_types": ["*"]}
    made = ask(token, "post", "/api/webhooks/endpoints/", endpoint).json()["id"]
    for path, body in (
        ("/api/executions/rerun/", {"since": moment}),
        ("/api/executions/rerun/", {"until": moment}),
        ("/api/webhooks/operations/", {"kind": "cancel", "filter": {"since": moment}}),
        ("/api/webhooks/operations/", {"kind": "recover", "filter": {"since": moment}}),
        (f"/api/webhooks/endpoints/{made}/recover/", {"since": moment}),
        (f"/api/webhooks/endpoints/{made}/replay/", {"since": moment}),
        ("/api/webhooks/reconciliation/check/", {"endpoint": made, "hour": moment}),
        ("/api/webhooks/reconciliation/check/", {"endpoint": made, "hour": moment, "repair": True}),
        ("/api/events/replay/", {"filter": {"since": moment}, "delay_ms": 0}),
        ("/api/events/replay/", {"filter": {"until": moment}, "delay_ms": 0}),
    ):
        assert ask(token, "post", path, body).status_code < 500, (path, body)


@pytest.mark.parametrize(
    "path",
    [
        "/api/workflows/%00/",
        "/api/workflows/?cursor=%00",
        "/api/executions/00000000-0000-0000-0000-000000000000/nodes/%00/output/",
        "/events/?q=%00",
        "/workflows/?q=a%00",
    ],
)
def test_an_address_with_a_nul_character_is_refused(token: str, user: User, path: str) -> None:
    browser = Client(raise_request_exception=False)
    browser.force_login(user)
    assert ask(token, "get", path).status_code == browser.get(path).status_code == 400


def test_bytes_that_are_no_text_are_only_text_that_nothing_fits(token: str) -> None:
    answer = ask(token, "get", "/api/events/?q=%ff%fe%ed%a0%80")
    assert (answer.status_code, answer.json()["events"]) == (200, [])


def test_what_the_database_refuses_is_the_fault_of_the_request() -> None:
    request = RequestFactory().get("/api/x/")
    answer = problems.exception_handler(DataError("integer out of range"), {"request": request})
    assert answer is not None
    assert answer.status_code == 400


# --- Tokens and methods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "user_id", "jti", "token_type", "pwd"])
@pytest.mark.parametrize(
    "value",
    [10**12, 10**30, -(10**12), 1e300, float("nan"), float("inf"), "x", "9" * 40, "\u0663", [], {}, None, True, UNSAID],
    ids=str,
)
def test_a_token_with_an_odd_claim_opens_nothing_and_breaks_nothing(user: User, name: str, value: Any) -> None:
    refresh = refresh_tokens.issue(user)
    for kind in (refresh, refresh.access_token):
        claims = dict(kind.payload) | {name: value}
        if value is UNSAID:
            del claims[name]
        raw = jwt.encode(claims, django_settings.SECRET_KEY, "HS256")
        assert ask(raw, "get", "/api/auth/me/").status_code in {200, 401}
        assert ask("", "post", "/api/auth/token/refresh/", {"refresh": raw}).status_code in {200, 401}
    if name in {"exp", "user_id", "pwd", "token_type"} and value != 10**12:
        assert ask(raw, "get", "/api/auth/me/").status_code == 401


def test_a_token_that_ends_in_a_year_beyond_the_calendar_is_refused(user: User) -> None:
    for kind in (AccessToken, RefreshToken):
        claims = dict(kind.for_user(user).payload) | {"exp": 10**12}
        raw = jwt.encode(claims, django_settings.SECRET_KEY, "HS256")
        assert ask(raw, "get", "/api/auth/me/").status_code == 401
        assert ask("", "post", "/api/auth/token/refresh/", {"refresh": raw}).status_code == 401


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "PROPFIND", "FOO"])
def test_a_method_that_an_address_does_not_have_is_not_dispatched(token: str, method: str) -> None:
    for path in document()["paths"]:
        answer = ask(
            token, method, path.replace("{node}", "x").replace("{", "").replace("}", "").replace("/id/", f"/{uuid4()}/")
        )
        assert answer.status_code in {404, 405}, (method, path, answer.status_code)
        if "{" not in path:
            assert answer.status_code == 405, (method, path)
            assert method not in answer["Allow"]


def test_no_action_has_the_name_of_a_method_of_http() -> None:
    for path, view in views():
        kind = getattr(view, "cls", None)
        named = {name for name in ("trace", "connect") if hasattr(kind, name)}
        assert not named, path

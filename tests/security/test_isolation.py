"""Two workspaces over every address: what belongs to another one is answered like what does not exist.

`tests.security.routes` lists the addresses; the streams over WebSockets are in tests/integration/test_strangers*.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client

from tests.engine import COMMITS
from tests.security.routes import (
    ADDRESSEE,
    ADMIN,
    API,
    EDITOR,
    OPEN,
    OPEN_TO_ALL,
    PAGES,
    VIEWER,
    Access,
    filled,
    resolved,
)
from tests.security.worlds import World, ask, make_world
from workflow_platform.core.accounts.models import User

BELOW = {OPEN: (), VIEWER: (), EDITOR: (VIEWER,), ADMIN: (VIEWER, EDITOR), ADDRESSEE: (VIEWER, EDITOR, ADMIN)}
SHARED = {"node", "number"}
"""Ids that are the same in every workspace."""
CHANGING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z?|[A-Za-z0-9_-]{32}")
"""The ids of what a call has made, times, and cursors."""
STREAMS = {"/api/executions/{execution}/stream/", "/api/events/stream/"}
"""Endless answers: asked for by themselves."""


def of_nothing(world: World) -> dict[str, str]:
    """Return ids of the same shape as those of a world, of nothing that exists."""
    made = {kind: "999999999" if own.isdecimal() else str(uuid4()) for kind, own in world.ids.items()}
    return made | {kind: world.ids[kind] for kind in SHARED}


def two_worlds() -> tuple[World, World]:
    """Return two workspaces, made by a thread that then gives its connection back."""
    made = make_world("ours"), make_world("theirs")
    connection.close()
    return made


def cases() -> Iterator[tuple[str, str, Access]]:
    for path, methods in API.items():
        for method, access in methods.items():
            yield path, method, access


def said(answer: Any, *ids: dict[str, str]) -> tuple[int, str]:
    """Return the status and the text of an answer, with every id that was asked for as its kind."""
    text = answer.content.decode() if not answer.streaming else b"".join(answer).decode()
    for each in ids:
        for kind, value in each.items():
            if kind not in SHARED:  # a number is an id only in a path
                number = value.isdecimal()
                text = text.replace(f"/{value}/" if number else value, f"/<{kind}>/" if number else f"<{kind}>")
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"|"X-CSRFToken": *"[^"]+"', "", text)
    # Cursors, the ids of what the call has made, and times.
    return answer.status_code, re.sub(
        r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z?|[A-Za-z0-9_-]{32}", "", text
    )


def state_of(world: World) -> list[tuple[int, str]]:
    """Return what a world's own admin sees of it."""
    paths = [p for p, m in API.items() if "{" in p and "get" in m and p not in STREAMS]
    answers = (world.request("get", filled(path, world.ids)) for path in paths)
    return [
        (
            answer.status_code,
            re.sub(r'"(?:last_used_at|now_ms|to_ms|wall_ms|ms|wait)":[^,}]*', "", answer.content.decode()),
        )
        for answer in answers
    ]


def holds_of(world: World, text: str, asked: Any = "") -> list[str]:
    """Return what of a world is in a text that did not ask for it."""
    own = {value for kind, value in world.ids.items() if kind not in SHARED and not value.isdecimal()}
    return [value for value in sorted({*own, world.secret}) if value in text and value not in str(asked)]


def test_every_address_is_listed_with_who_may_ask_for_it() -> None:
    known = {path: set(methods) for path, methods in API.items()}
    known |= {path: {"get"} for path in (*PAGES, *OPEN_TO_ALL)}
    found: dict[str, set[str]] = {}
    for path, methods in resolved():
        found.setdefault(path, set()).update(methods)
    assert found == known, "tests/security/routes.py lists every address"


@COMMITS
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_what_belongs_to_others_is_answered_like_what_does_not_exist() -> None:
    ours, theirs = make_world("ours"), make_world("theirs")
    nothing, before = of_nothing(ours), state_of(ours)
    for path, method, access in cases():
        if "{" in path and path not in STREAMS:
            compare(theirs, method, path, access.body, ours.ids, nothing, must_be=404)
        for foreign in access.foreign if path not in STREAMS else ():
            address, body = (f"{path}?{foreign}", None) if isinstance(foreign, str) else (path, foreign)
            compare(theirs, method, address, body, ours.ids, nothing)
    assert state_of(ours) == before


def compare(
    who: World,
    method: str,
    path: str,
    body: Any,
    ids: dict[str, str],
    nothing: dict[str, str],
    must_be: int | None = None,
) -> None:
    """Ask for ids of others, and for ids of nothing: the answers must be the same."""
    found, missing = (who.request(method, filled(path, each), filled(body, each)) for each in (ids, nothing))
    asked = f"{method} {path} {body}"
    assert said(found, ids, nothing) == said(missing, ids, nothing), asked
    assert must_be is None or found.status_code == must_be, (asked, found.status_code)
    assert found.status_code < 500, (asked, found.content)


@COMMITS
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_no_list_holds_what_belongs_to_others() -> None:
    ours, theirs = make_world("ours"), make_world("theirs")
    for path, method, _ in cases():
        if "{" not in path and method == "get" and path not in STREAMS:
            answer = theirs.request("get", path)
            assert answer.status_code == (400 if path in {"/api/trace/", "/api/events/export/"} else 200), path
            assert not holds_of(ours, said(answer)[1] + str(answer.content if not answer.streaming else "")), path


@COMMITS
def test_no_page_shows_what_belongs_to_others() -> None:
    ours, theirs = make_world("ours"), make_world("theirs")
    browser, nothing = Client(raise_request_exception=False), of_nothing(ours)
    browser.force_login(User.objects.get(username="theirs-admin"))
    for page, queries in PAGES.items():
        for address in (page, *(page + query for query in queries)):
            found, missing = (browser.get(filled(address, each)) for each in (ours.ids, nothing))
            assert found.status_code == missing.status_code, address
            assert found.status_code == (404 if "{" in page else found.status_code), address
            assert found.status_code < 500, address
            assert not holds_of(ours, found.content.decode(), filled(address, ours.ids)), address
            assert address == "/trace/" or browser.get(filled(address, theirs.ids)).status_code < 400, address


@COMMITS
async def test_no_stream_tells_what_belongs_to_others() -> None:
    ours, theirs = await sync_to_async(two_worlds)()
    headers, nothing = {"Authorization": f"Bearer {theirs.tokens['admin']}"}, of_nothing(ours)
    addresses = [path for path in STREAMS if "{" in path]
    addresses += [f"{path}?{query}" for path in STREAMS for query in API[path]["get"].foreign]
    for address in addresses:
        found, missing = [
            await AsyncClient().get(filled(address, each), headers=headers) for each in (ours.ids, nothing)
        ]
        assert found.status_code == 404, address
        assert said(found, ours.ids, nothing) == said(missing, ours.ids, nothing), address


@COMMITS
def test_nobody_gets_anything_without_saying_who_they_are() -> None:
    ours = make_world("ours")
    for path, method, access in cases():
        answer = ask("", method, filled(path, ours.ids), filled(access.body, ours.ids)) if path not in STREAMS else None
        if answer is not None and access.role != OPEN:
            assert answer.status_code == 401, (method, path, answer.status_code)
    for page in PAGES:
        answer = Client().get(filled(page, ours.ids))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login/"), page


@COMMITS
@pytest.mark.parametrize("role", [VIEWER, EDITOR])
def test_a_role_is_refused_what_needs_a_higher_one(role: str) -> None:
    ours = make_world("ours")
    before = state_of(ours)
    for path, method, access in cases():
        if role in BELOW[access.role] and not path.endswith("/members/"):
            answer = ours.request(method, filled(path, ours.ids), filled(access.body, ours.ids), role=role)
            assert answer.status_code in ({403, 404} if access.hidden else {403}), (method, path, answer.content)
    assert state_of(ours) == before


@COMMITS
@pytest.mark.parametrize("role", [VIEWER, EDITOR, ADMIN])
def test_a_role_may_do_what_it_is_for(role: str) -> None:
    ours = make_world("ours")
    # What takes things away comes last, and the token of the caller after all.
    for path, method, access in sorted(cases(), key=lambda case: (case[1] == "delete", "tokens" in case[0])):
        own = path.startswith("/api/tokens/{") and role != ADMIN  # the token is the admin's
        if access.role != OPEN and role not in BELOW[access.role] and path not in STREAMS and not own:
            answer = ours.request(method, filled(path, ours.ids), filled(access.body, ours.ids), role=role)
            gone = method == "delete" or path.startswith(("/api/workspaces/{", "/api/tokens/{"))
            assert answer.status_code not in ({401, 403} if gone else {401, 403, 404}), (method, path, answer.content)
            assert answer.status_code < 500, (method, path, answer.content)


@COMMITS
def test_a_bulk_rerun_of_a_viewer_finds_nothing() -> None:
    ours = make_world("ours")
    body = {"ids": [ours.ids["execution"]], "dry_run": False}
    answer = ours.request("post", "/api/executions/rerun/", body, role=VIEWER).json()
    assert (answer["matched"], answer["started"]) == (0, [])

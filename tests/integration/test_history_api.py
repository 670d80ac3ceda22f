"""`GET /api/events/`, `/api/event-types/` and the events of one execution, as their callers see them."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from events.catalogue.event_types import CATALOGUE
from events.log.models import Stream
from executions.models import Execution
from tests.engine import COMMITS, make_execution
from tests.integration.test_history import open_stream, say, workspace
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Membership, User


def client(*slugs: str, **flags: bool) -> APIClient:
    """Return the client of a new member of these workspaces."""
    user = User.objects.create(username=uuid4().hex, **flags)
    for slug in slugs:
        Membership.objects.create(user=user, workspace=workspace(slug))
    made = APIClient()
    made.force_authenticate(user)
    return made


def get(caller: APIClient, query: str = "", path: str = "/api/events/") -> Any:
    answer = caller.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def said(page: Any) -> list[str]:
    return [event["data"].get("message") or event["data"].get("reason") for event in page["events"]]


@COMMITS
def test_pages_go_on_with_the_cursor_and_the_newest_page_with_what_comes_later() -> None:
    stream = open_stream("tests")
    say(stream, "1", "2", "3")
    say(open_stream("others"), "of others")
    caller = client("tests")
    first = get(caller, "limit=2")
    assert (said(first), first["more"], first["complete"]) == (["1", "2"], True, True)
    second = get(caller, f"limit=2&after={first['next']}")
    assert (said(second), second["more"]) == (["3"], False)
    newest = get(caller, "limit=2&order=newest")
    assert said(newest) == ["3", "2"]
    assert said(get(caller, f"limit=2&order=newest&after={newest['next']}")) == ["1"]
    say(stream, "4")
    assert said(get(caller, f"after={newest['newest']}")) == ["4"]
    event = newest["events"][0]
    assert (event["stream"], event["sequence"], event["source"]) == (stream.name, 3, "tests")


@COMMITS
def test_several_values_come_by_repeating_or_by_commas() -> None:
    one, two = open_stream("tests"), open_stream("tests")
    say(one, "log", source="tests.one")
    say(two, "pause", type_="execution.paused", source="tests.two")
    say(two, "resume", type_="execution.resumed", source="tests.three")
    caller = client("tests")
    for query, expected in (
        ("type=execution.paused,execution.log", ["log", "pause"]),
        ("type=execution.paused&type=execution.re*", ["pause", "resume"]),
        ("source=*.one&source=tests.three", ["log", "resume"]),
        (f"stream={one.name}", ["log"]),
        (f"stream={one.name},,{two.name},", ["log", "pause", "resume"]),
        ("stream=executions", ["pause", "resume"]),
        (f"execution={two.name.removeprefix('execution:')}&q=PAU", ["pause"]),
        ("q=%25", []),
    ):
        assert said(get(caller, query)) == expected, query


@COMMITS
def test_events_of_the_installation_are_for_staff_and_those_of_others_for_nobody_else() -> None:
    from events.bus import system_events

    system_events.emit("error", source="tests", component="tests", message="of the installation")
    stream = open_stream("tests")
    say(stream, "ours")
    for query in ("", f"stream={stream.name}", f"execution={stream.name.removeprefix('execution:')}", "q=ours"):
        assert "ours" in said(get(client("tests"), query))
        assert said(get(client("others"), query)) == []
        assert said(get(client(), query)) == []
    assert said(get(client("tests"), "stream=system")) == []
    assert said(get(client("tests", is_staff=True), "stream=system")) == ["of the installation"]
    assert said(get(client(is_staff=True))) == ["of the installation"]
    assert APIClient().get("/api/events/").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field", "named"),
    [
        ("type=execution.*,executoin.failed", "type", "executoin.failed"),
        ("source=Ex%25", "source", "Ex%"),
        ("after=17", "after", "cursor"),
        ("since=yesterday", "since", "date and time"),
        ("workflow=7", "workflow", "UUID"),
        ("limit=1001", "limit", "1000"),
        ("order=random", "order", "random"),
        ("q=%00", "q", "ull"),
        ("q=" + "x" * 201, "q", "200"),
        ("type=" + "execution.log," * 101, "type", "100"),
    ],
)
def test_a_query_that_makes_no_sense_is_a_problem_that_names_the_field(query: str, field: str, named: str) -> None:
    answer = client("tests").get(f"/api/events/?{query}")
    assert answer.status_code == 400
    problem = answer.json()
    assert [error["field"].split(".")[0] for error in problem["errors"]] == [field]
    assert named in problem["detail"]


@COMMITS
def test_json_lines_bring_every_event_and_then_where_to_go_on() -> None:
    say(open_stream("tests"), *map(str, range(5)))
    caller = client("tests")

    def lines(query: str) -> list[Any]:
        answer: Any = caller.get(f"/api/events/?format=ndjson&{query}")
        assert answer["Content-Type"] == "application/x-ndjson"

        async def read() -> bytes:
            return b"".join([part async for part in answer.streaming_content])

        return [json.loads(line) for line in asyncio.run(read()).splitlines()]

    *events, last = lines("limit=3")
    assert [event["sequence"] for event in events] == [1, 2, 3]
    assert last["more"]
    *events, last = lines(f"after={last['next']}")
    assert [event["sequence"] for event in events] == [4, 5]
    assert last["more"] is False
    problem = caller.get("/api/events/?format=ndjson&type=nothing")
    assert problem.status_code == 400
    assert json.loads(problem.content)["errors"][0]["field"] == "type"


@pytest.mark.django_db
def test_the_catalogue_is_told_with_a_sentence_for_every_type() -> None:
    types = get(client(), path="/api/event-types/")
    assert [row["type"] for row in types] == list(CATALOGUE)
    assert all(row["description"].endswith(".") for row in types)
    completed = next(row for row in types if row["type"] == "execution.completed")
    assert (completed["lifecycle"], completed["terminal"]) == (True, True)
    assert "summary" in completed["fields"]


@pytest.mark.django_db
def test_the_events_of_an_execution_are_read_backwards_and_by_level() -> None:
    execution: Execution = make_execution(
        [node("start", "manual_trigger"), node("end", "no_op")], [edge("start", "end")]
    )
    say(Stream.objects.get(pk=execution.stream_id), *"abcde")
    say(Stream.objects.get(pk=execution.stream_id), "p", type_="execution.paused")
    caller, path = client("tests"), f"/api/executions/{execution.pk}/events/"
    newest = get(caller, "before=1000&limit=3", path)
    assert [event["sequence"] for event in newest["events"]] == [7, 6, 5]
    assert (newest["head"], newest["next_before"], newest["removed_through"]) == (7, 5, 0)
    rest = get(caller, "before=5", path)
    assert [event["sequence"] for event in rest["events"]] == [4, 3, 2, 1]
    assert rest["next_before"] is None
    assert [e["sequence"] for e in get(caller, "level=lifecycle", path)["events"]] == [1, 7]
    assert [e["sequence"] for e in get(caller, "type=execution.pau*,execution.log&after=5", path)["events"]] == [6, 7]
    Stream.objects.filter(pk=execution.stream_id).update(removed_through=4)
    assert get(caller, "", path)["removed_through"] == 4
    for query, field in (("before=3&after=1", "before"), ("type=exe", "type"), ("level=some", "level")):
        answer = caller.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field


@COMMITS
def test_events_are_those_of_one_workspace_if_the_caller_names_it_and_may_see_it() -> None:
    say(open_stream("tests"), "1")
    say(open_stream("others"), "2")
    caller = client("tests", "others")
    assert said(get(caller, f"workspace={workspace('others').pk}")) == ["2"]
    assert said(get(client("tests"), f"workspace={workspace('others').pk}")) == []
    assert caller.get("/api/events/?workspace=others").status_code == 400

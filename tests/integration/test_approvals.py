"""`approval`: a person decides, once, and the execution goes on with what they said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Platform
from tests.executing import at_once, events, execute, look, node_statuses, output, save, until
from tests.people import Person
from tests.workflows import edge, node


@pytest.fixture(scope="module")
def people(platform: Platform) -> dict[str, Person]:
    """Return one person for each role, a second editor, and a stranger."""
    roles: dict[str, str | None] = {"viewer": "viewer", "editor": "editor", "other": "editor", "stranger": None}
    return {name: Person(platform, role) for name, role in roles.items()}


def asking(platform: Platform, **parameters: Any) -> tuple[str, dict[str, Any]]:
    """Start an execution that asks for approval. Returns its id, and the approval as the API shows it."""
    nodes = [
        node("start", "manual_trigger"),
        node("ask", "approval", message="Pay {{ $json.amount }} €?", **parameters),
        node("pay", "no_op"),
        node("refuse", "no_op"),
    ]
    edges = [edge("start", "ask"), edge("ask", "pay", "approved"), edge("ask", "refuse", "rejected")]
    if "expires_seconds" in parameters:
        nodes.append(node("late", "no_op"))
        edges.append(edge("ask", "late", "expired"))
    execution = execute(platform, save(platform, nodes, edges), {"amount": 12}, {"amount": 30})
    until(platform, execution, "waiting")
    found = platform.request("GET", f"/api/approvals/?show=all&execution={execution}").json()["results"]
    return execution, found[0]


def decide(who: Any, approval: dict[str, Any], decision: str = "approved", **further: Any) -> Any:
    return who.request("POST", f"/api/approvals/{approval['id']}/decide/", json={"decision": decision} | further)


def test_what_was_decided_is_on_the_items(platform: Platform) -> None:
    execution, approval = asking(platform)
    assert (approval["message"], approval["state"], approval["may_decide"]) == ("Pay 12 €?", "open", True)
    (told,) = events(platform, execution, "node_waiting")
    assert (told["kind"], told["wait"], told["assignee"]) == ("approval", approval["id"], None)
    answer = decide(platform, approval, comment="Fine.", fields={"amount": 11, "account": "A"})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["state"], shown["decided_by"], shown["comment"]) == ("approved", "admin", "Fine.")
    assert shown["may_decide"] is False
    assert until(platform, execution)["status"] == "completed"
    first, second = output(platform, execution, "pay")["main"]
    assert (first["amount"], first["account"], second["amount"]) == (11, "A", 11)
    assert first["approval"] == {
        "decision": "approved", "by": "admin", "comment": "Fine.", "at": first["approval"]["at"],
    }  # fmt: skip
    assert node_statuses(platform, execution)["refuse"] == "skipped"


def test_a_rejection_goes_its_own_way(platform: Platform) -> None:
    execution, approval = asking(platform)
    assert decide(platform, approval, "rejected").status_code == 200
    assert until(platform, execution)["status"] == "completed"
    statuses = node_statuses(platform, execution)
    assert (statuses["pay"], statuses["refuse"]) == ("skipped", "completed")


def test_of_many_decisions_at_the_same_instant_one_holds(platform: Platform) -> None:
    execution, approval = asking(platform)
    wanted = ["approved" if index % 2 else "rejected" for index in range(20)]
    answers = at_once(20, lambda index: decide(platform, approval, wanted[index], comment=str(index)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    (first,) = (index for index, answer in enumerate(answers) if answer.status_code == 200)
    assert until(platform, execution)["status"] == "completed"
    (item, _) = output(platform, execution, "ask")[wanted[first]]
    assert item["approval"]["comment"] == str(first)
    late = decide(platform, approval, wanted[first])
    assert late.status_code == 409
    assert late.json()["detail"].startswith(f"This approval is already decided: {wanted[first]} by admin at ")


def test_nobody_in_particular_means_any_editor(platform: Platform, people: dict[str, Person]) -> None:
    execution, approval = asking(platform)
    assert decide(people["stranger"], approval).status_code == 404
    refused = decide(people["viewer"], approval)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Only editors of the workspace can decide this approval.",
    )
    assert look(platform, execution)["status"] == "waiting"
    assert decide(people["editor"], approval).json()["decided_by"] == people["editor"].name


@pytest.mark.parametrize("named_by", ["name", "email"])
def test_the_assignee_decides_or_an_admin(platform: Platform, people: dict[str, Person], named_by: str) -> None:
    assignee = people["viewer"]
    execution, approval = asking(platform, assignee=getattr(assignee, named_by))
    assert approval["assignee"] == assignee.name
    assert events(platform, execution, "node_waiting")[0]["assignee"] == assignee.name
    assert decide(people["other"], approval).status_code == 403
    assert decide(assignee, approval).status_code == 200
    _, approval = asking(platform, assignee=assignee.name)
    assert decide(platform, approval).status_code == 200  # an admin


def test_lists_show_what_is_mine_what_is_open_and_what_was_decided(
    platform: Platform, people: dict[str, Person]
) -> None:
    _, hers = asking(platform, assignee=people["viewer"].name)
    _, anybodys = asking(platform)
    _, decided = asking(platform)
    decide(platform, decided)

    def listed(who: Any, show: str) -> set[str]:
        return {row["id"] for row in who.request("GET", f"/api/approvals/?show={show}&limit=200").json()["results"]}

    wanted = {hers["id"], anybodys["id"], decided["id"]}
    assert listed(people["viewer"], "mine") & wanted == {hers["id"]}
    assert listed(people["editor"], "mine") & wanted == {anybodys["id"]}
    assert listed(people["editor"], "open") & wanted == {hers["id"], anybodys["id"]}
    assert listed(people["editor"], "decided") & wanted == {decided["id"]}
    assert listed(people["stranger"], "all") == set()
    assert people["stranger"].request("GET", f"/api/approvals/{hers['id']}/").status_code == 404


def test_an_expired_one_goes_on_as_expired_and_takes_no_decision(platform: Platform) -> None:
    execution, approval = asking(platform, expires_seconds=1)
    assert approval["expires_at"] is not None
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "late")["main"][0]["approval"]["decision"] == "expired"
    answer = decide(platform, approval)
    assert (answer.status_code, answer.json()["detail"]) == (409, "This approval has expired.")
    assert platform.request("GET", f"/api/approvals/{approval['id']}/").json()["state"] == "expired"


def test_of_a_cancelled_execution_nothing_is_left_to_decide(platform: Platform) -> None:
    execution, approval = asking(platform)
    platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    assert look(platform, execution)["status"] == "cancelled"
    assert decide(platform, approval).status_code == 409
    assert platform.request("GET", f"/api/approvals/{approval['id']}/").json()["state"] == "withdrawn"


def test_an_unknown_assignee_is_named_with_its_field(platform: Platform) -> None:
    nodes = [node("start", "manual_trigger"), node("ask", "approval", assignee="{{ $json.who }}")]
    execution = execute(platform, save(platform, nodes, [edge("start", "ask")]), {"who": "nobody"})
    said = "parameters.assignee: no member of this workspace has the username or email 'nobody'."
    assert until(platform, execution)["error"]["message"] == said
    nodes[1]["parameters"]["assignee"] = "nobody"
    body = {"name": "W", "nodes": nodes, "edges": [edge("start", "ask")]}
    (problem,) = platform.request("POST", "/api/workflows/", json=body).json()["errors"]
    assert (problem["node"], problem["field"]) == ("ask", "parameters.assignee")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "approved", "comment": "x" * 2001}, "comment"),
        ({"decision": "approved", "fields": {"a": "x" * 70_000}}, "fields"),
        ({"decision": "approved", "fields": [1]}, "fields"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(platform: Platform, body: dict[str, Any], field: str) -> None:
    execution, approval = asking(platform)
    answer = platform.request("POST", f"/api/approvals/{approval['id']}/decide/", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert look(platform, execution)["status"] == "waiting"

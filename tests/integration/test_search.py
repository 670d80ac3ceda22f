"""The search of the command palette stays within the caller's workspaces and finds the best match first."""

from __future__ import annotations

from typing import Any

import pytest

from executions.listing.search import MAX_RECENT
from executions.models import Workflow
from tests.integration.test_execution_listing import ended, saved
from tests.integration.test_history import workspace
from tests.integration.test_history_api import client

pytestmark = pytest.mark.django_db


def titles(caller: Any, query: str) -> list[str]:
    return [each["title"] for each in caller.get(f"/api/search/?{query}").json()["results"]]


def test_names_are_found_by_their_letters_and_the_best_match_comes_first() -> None:
    ours = workspace("one")
    for name in ("Send the monthly report", "Reports", "Review of parts, sorted", "Something else", "100% of a_b"):
        saved(ours, name)
    saved(workspace("two"), "Report of others")
    caller = client("one")
    assert titles(caller, "q=report") == ["Reports", "Send the monthly report", "Review of parts, sorted"]
    assert titles(caller, "q=mrep") == ["Send the monthly report"]
    assert titles(caller, "q=%25") == ["100% of a_b"]
    assert titles(caller, "q=.*") == []
    assert titles(caller, "q=zzz") == []


def test_an_execution_is_found_by_the_start_of_its_id_in_the_callers_workspaces_alone() -> None:
    execution, foreign = ended(saved(workspace("one"), "Ours"), 1), ended(saved(workspace("two"), "Theirs"), 1)
    caller = client("one")
    (found,) = caller.get(f"/api/search/?q={str(execution.pk)[:13]}").json()["results"]
    assert (found["kind"], found["title"], found["detail"]) == ("execution", "Ours", "completed")
    assert found["page"] == f"/executions/{execution.pk}/"
    assert titles(caller, f"q={foreign.pk}") == []
    assert titles(caller, f"recent={foreign.pk},{execution.pk}") == ["Ours", "Ours"]  # it, then its workflow


def test_without_a_text_the_recent_ones_come_first_and_deleted_ones_are_gone() -> None:
    ours = workspace("one")
    older, newer, deleted = (saved(ours, name) for name in ("Older", "Newer", "Deleted"))
    Workflow.objects.filter(pk=deleted.pk).update(deleted_at=deleted.created_at)
    caller = client("one")
    assert titles(caller, "") == ["Newer", "Older"]
    assert titles(caller, f"recent={deleted.pk},{older.pk}") == ["Older", "Newer"]
    assert caller.get("/api/search/?recent=x").json()["errors"][0]["field"] == "recent"
    assert caller.get(f"/api/search/?recent={','.join([str(newer.pk)] * (MAX_RECENT + 1))}").status_code == 400
    assert caller.get(f"/api/search/?q={'x' * 101}").status_code == 400

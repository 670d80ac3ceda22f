"""The lists of the admin site read no whole table, whatever is searched or filtered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_rq.models import Dashboard

from executions.lifecycle import create_execution
from executions.models import Execution, Trigger, Workflow
from tests.engine import make_workflow
from tests.workflows import node
from workflow_platform.core.accounts import admin_lists
from workflow_platform.core.accounts.models import User

pytestmark = pytest.mark.django_db
admin.autodiscover()
MODELS = [model for model in admin.site._registry if model is not Dashboard]


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="a long enough password"))
    return client


def executions(count: int, **of_workflow: Any) -> list[Execution]:
    workflow = make_workflow([node("start", "manual_trigger")], [], **of_workflow)
    return [create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[]) for _ in range(count)]


def path(model: Any, kind: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def addresses(model: Any) -> Iterator[str]:
    """Yield the addresses of a list: plain, searched, with each filter."""
    yield path(model)
    yield f"{path(model)}?q=no+such+thing"
    yield f"{path(model)}?q=0190e4a2-7c1f-7000-8000-000000000000"
    for chosen in admin.site._registry[model].get_list_filter(None):  # type: ignore[arg-type]
        if name := getattr(chosen, "parameter_name", None):
            yield f"{path(model)}?{name}=0190e4a2-7c1f-7000-8000-000000000000"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_list_counts_or_compares_all_rows(staff: Client, model: Any) -> None:
    executions(1)
    for address in addresses(model):
        with CaptureQueriesContext(connection) as queries:
            page = staff.get(address)
        assert page.status_code == 200, address
        for statement in (query["sql"] for query in queries if f'FROM "{model._meta.db_table}"' in query["sql"]):
            assert "COUNT(" not in statement, statement
            assert "DISTINCT" not in statement, statement


def test_every_list_is_bounded_and_sorted_by_an_index() -> None:
    for model in MODELS:
        site = admin.site._registry[model]
        assert site.show_full_result_count is False, model
        assert issubclass(site.paginator, admin_lists.ShortPaginator), model
        assert tuple(site.sortable_by or ()) == (), model


def test_a_filter_looks_at_the_newest_rows_and_says_so(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    oldest, *newer = executions(4)
    monkeypatch.setattr(admin_lists.newest, "__defaults__", (3,))
    page = staff.get(path(Execution), {"status__exact": "queued"})
    assert {row.pk for row in page.context["cl"].result_list} == {row.pk for row in newer}
    assert "Filters look at the newest 50,000 rows." in page.content.decode()
    page = staff.get(path(Execution), {"workspace": str(oldest.workspace_id)})
    assert len(page.context["cl"].result_list) == 4


def test_a_search_by_a_part_of_a_name_looks_at_the_newest_rows(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = (make_workflow([node("start", "manual_trigger")], []) for _ in range(2))
    for window, found in ((2, [newer, older]), (1, [newer])):
        monkeypatch.setattr(admin_lists.newest, "__defaults__", (window,))
        page = staff.get(path(Workflow), {"q": "OF a test"})
        assert list(page.context["cl"].result_list) == found
    page = staff.get(path(Workflow), {"q": str(older.pk)})  # an id is found wherever it is
    assert list(page.context["cl"].result_list) == [older]


def test_executions_are_found_by_their_id_their_workflow_and_its_name(staff: Client) -> None:
    one, two = executions(2)
    for text, count in ((one.pk, 1), (one.workflow_id, 2), ("of a TEST", 2), ("no such name", 0)):
        page = staff.get(path(Execution), {"q": str(text)})
        assert len(page.context["cl"].result_list) == count, text
    page = staff.get(path(Execution)).content.decode()
    assert f'href="{reverse("monitor", args=[two.pk])}"' in page
    assert page.index("column-monitor") < page.index("column-workflow")
    assert (
        f'href="{reverse("monitor", args=[two.pk])}"' in staff.get(path(Execution, "change", two.pk)).content.decode()
    )


def test_the_cancellation_of_an_ended_execution_says_that_there_was_nothing_to_cancel(staff: Client) -> None:
    ended, pending = executions(2)
    form = {"action": "cancel", "_selected_action": [str(ended.pk)]}
    assert "Cancellation requested for 1 execution." in staff.post(path(Execution), form, follow=True).content.decode()
    form["_selected_action"].append(str(pending.pk))  # type: ignore[attr-defined]
    page = staff.post(path(Execution), form, follow=True).content.decode()
    assert "The execution has ended; its status is cancelled. Nothing was cancelled." in page
    assert "Cancellation requested for 1 execution." in page


def test_the_admin_has_the_name_and_the_icon_of_the_platform(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    assert "<title>Administration | Workflow platform</title>" in page
    assert 'rel="icon"' in page

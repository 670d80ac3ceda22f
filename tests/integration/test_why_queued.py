"""A queued execution says why: which limit, how much of it is in use and by whom, its place, when it may start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django_rq
import pytest
from django.test import Client
from django.utils import timezone
from rq import Worker
from rq.suspension import resume, suspend

from executions.admission.explanation import explain
from executions.models import Execution, Workflow
from tests.admitting import admitted, end, start, workflow_in
from tests.engine import claim_leases
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Any:
    settings.PERF_MAX_CONCURRENT_EXECUTIONS = 10
    settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 10
    settings.WORKER_CONCURRENCY = 5
    return settings


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker that RQ knows to be alive, and that takes no job."""
    made = Worker(["high", "default", "low"], connection=django_rq.get_connection())
    made.register_birth()
    made.heartbeat()
    yield made
    made.register_death()


def member(*workspaces: str) -> User:
    user = User.objects.create_user(f"member of {workspaces}")
    for slug in workspaces:
        found, _ = Workspace.objects.get_or_create(slug=slug, defaults={"name": slug.title()})
        Membership.objects.create(user=user, workspace=found, role=Role.VIEWER)
    return user


def said(execution: Execution, user: User) -> dict[str, Any]:
    execution.refresh_from_db()
    found = explain(execution, user)
    assert found is not None
    return found


@pytest.mark.usefixtures("worker")
def test_the_limit_of_its_workflow_is_named_with_who_holds_it() -> None:
    workflow = workflow_in(name="Nightly report", concurrency={"limit": 2})
    first, second, _, last = start(workflow, 4)
    found = said(last, member("tests"))
    assert found["reason"] == "workflow_concurrency"
    assert (found["limit"], found["in_use"], found["place"], found["in_line"]) == (2, 2, 2, 2)
    assert found["detail"].startswith("Waiting for a slot: 2 of 2 executions of this workflow are running. Position ")
    assert {holder["execution"] for holder in found["holders"]} == {str(first.pk), str(second.pk)}
    assert found["holders"][0]["workflow_name"] == "Nightly report"
    assert found["other_holders"] == 0
    assert found["expected_start"] is None
    assert "No estimate" in found["expected_start_unknown"]


@pytest.mark.usefixtures("worker")
def test_the_expected_start_follows_from_how_long_others_took() -> None:
    workflow = workflow_in(concurrency={"limit": 2})
    start(workflow, 2)
    end(admitted())
    ended = Execution.objects.filter(workflow=workflow)
    now = timezone.now()
    ended.update(started_at=now - timedelta(seconds=40), ended_at=now)
    rows = start(workflow, 5)
    before = timezone.now()
    found = said(rows[-1], member("tests"))
    assert found["place"] == 3
    expected = found["expected_start"] - timedelta(seconds=60)
    assert before - timedelta(seconds=2) <= expected <= timezone.now() + timedelta(seconds=2)  # it is rounded


@pytest.mark.usefixtures("worker")
def test_the_limit_of_its_key_is_named_with_the_key() -> None:
    workflow = workflow_in(concurrency={"limit": 1, "key": "{{ $json.customer }}"})
    start(workflow, 1, input={"customer": "bob"})
    holder, waiting = start(workflow, 2, input={"customer": "ada"})
    found = said(waiting, member("tests"))
    assert (found["reason"], found["limit"], found["place"]) == ("key_concurrency", 1, 1)
    assert "with the key 'ada'" in found["detail"]
    assert [one["execution"] for one in found["holders"]] == [str(holder.pk)]


@pytest.mark.usefixtures("worker")
def test_a_rate_limit_says_when_the_next_start_is_free() -> None:
    workflow = workflow_in(rate_limit={"count": 2, "seconds": 60})
    before = timezone.now()
    *_, third, fifth = start(workflow, 2) + [start(workflow)[0], *start(workflow, 2)][-2:]
    found = said(fifth, member("tests"))
    assert (found["reason"], found["limit"], found["in_use"], found["place"]) == ("rate_limit", 2, 2, 3)
    expected = found["expected_start"] - timedelta(seconds=121)
    assert before - timedelta(seconds=4) <= expected <= timezone.now() + timedelta(seconds=4)
    assert said(third, member("tests", "x"))["place"] == 2


@pytest.mark.usefixtures("worker")
def test_the_share_of_its_workspace_is_named(limits: Any) -> None:
    limits.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 7
    *_, last = start(workflow_in(), 8)
    found = said(last, member("tests"))
    assert (found["reason"], found["limit"], found["in_use"]) == ("workspace_concurrency", 7, 7)
    assert (len(found["holders"]), found["other_holders"]) == (5, 2)


@pytest.mark.usefixtures("worker")
def test_the_limit_of_the_cluster_is_named_without_telling_of_other_workspaces() -> None:
    start(workflow_in("secret", "Secret plan"), 30)
    end(admitted()[:3])
    (own, waiting) = start(workflow_in("tests", "Mine"), 2)[:2]
    start(workflow_in("tests", "Mine too"), 2)
    found = said(start(workflow_in("tests", "Mine too"))[0], member("tests"))
    assert (found["reason"], found["limit"], found["in_use"]) == ("cluster_concurrency", 10, 10)
    assert {one["execution"] for one in found["holders"]} >= {str(own.pk), str(waiting.pk)}
    assert found["other_holders"] == 10 - len(found["holders"])
    hidden = {str(pk) for pk in Execution.objects.filter(workspace__slug="secret").values_list("pk", flat=True)}
    assert not hidden & {one["execution"] for one in found["holders"]}
    assert "Secret" not in str(found)


@pytest.mark.usefixtures("worker")
def test_wider_limits_that_are_used_up_too_are_named_after_the_narrowest(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow = workflow_in(concurrency={"limit": 1})
    *_, last = start(workflow, 2)
    found = said(last, member("tests"))
    assert (found["reason"], found["also"]) == ("workflow_concurrency", ["cluster_concurrency"])


@pytest.mark.usefixtures("worker")
def test_its_place_is_the_turn_that_it_has_among_workspaces() -> None:
    start(workflow_in("flood"), 500)
    (single,) = start(workflow_in("tests"))
    found = said(single, member("tests"))
    assert (found["place"], found["in_line"]) == (1, 491)


def test_without_a_worker_it_says_so() -> None:
    (row,) = start(workflow_in())
    found = said(row, member("tests"))
    assert (found["reason"], found["expected_start"]) == ("no_worker", None)


@pytest.mark.usefixtures("worker")
def test_suspended_workers_are_told_of() -> None:
    (row,) = start(workflow_in())
    connection = django_rq.get_connection()
    suspend(connection)
    try:
        assert said(row, member("tests"))["reason"] == "workers_suspended"
    finally:
        resume(connection)
    assert said(row, member("tests", "again"))["reason"] == "on_its_way"


@pytest.mark.usefixtures("worker")
def test_full_workers_are_told_of(limits: Any) -> None:
    limits.WORKER_CONCURRENCY = 1
    first, second = start(workflow_in(), 2)
    claim_leases([first.pk], "a worker")
    found = said(second, member("tests"))
    assert (found["reason"], found["limit"], found["in_use"]) == ("workers_busy", 1, 1)


@pytest.mark.usefixtures("worker")
def test_it_costs_few_queries_whatever_the_length_of_the_line(django_assert_max_num_queries: Any) -> None:
    *_, last = start(workflow_in(concurrency={"limit": 1}), 200)
    user = member("tests")
    last.refresh_from_db()
    with django_assert_max_num_queries(3):
        explain(last, user)


@pytest.mark.usefixtures("worker")
def test_the_api_and_the_page_say_it_to_members_only() -> None:
    workflow: Workflow = workflow_in(concurrency={"limit": 1})
    holder, waiting = start(workflow, 2)
    user, stranger = member("tests"), member("elsewhere")
    client = Client()
    headers = {"Authorization": f"Bearer {ApiToken.issue(user, 'test')[1]}"}
    answer = client.get(f"/api/executions/{waiting.pk}/", headers=headers).json()
    assert answer["queue"]["reason"] == "workflow_concurrency"
    assert answer["queue"]["holders"][0]["execution"] == str(holder.pk)
    client.force_login(user)
    for path in (f"/executions/{waiting.pk}/", f"/executions/{waiting.pk}/queue/"):
        assert "1 of 1 execution of this workflow is running" in client.get(path).content.decode()
    end([waiting])
    assert client.get(f"/api/executions/{waiting.pk}/", headers=headers).json()["queue"] is None
    card = client.get(f"/executions/{waiting.pk}/queue/").content.decode()
    assert "<section" not in card
    assert "hx-get" not in card  # the page stops asking
    client.force_login(stranger)
    assert client.get(f"/executions/{waiting.pk}/queue/").status_code == 404

"""Paths under /hooks/: what one workspace has, or ever had, no other workspace can take."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from executions.domain.graph import InvalidGraph
from executions.models import WebhookClaim, WebhookRoute, Workflow
from executions.triggers.hooks import listeners
from executions.triggers.hooks.pages import hooks_of
from executions.workflows import definitions
from tests.engine import COMMITS
from tests.workflows import node
from workflow_platform.core.accounts.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def first() -> Workspace:
    Workspace.objects.all().delete()
    return Workspace.objects.create(name="First", slug="first")


@pytest.fixture
def second(first: Workspace) -> Workspace:
    return Workspace.objects.create(name="Second", slug="second")


@pytest.fixture
def third(second: Workspace) -> Workspace:
    return Workspace.objects.create(name="Third", slug="third")


def save(workspace: Workspace, *paths: str, active: bool = True, workflow: Workflow | None = None) -> Workflow:
    nodes = [node(f"hook{place}", "webhook_trigger", path=path) for place, path in enumerate(paths)]
    definition = {"name": "Hooks", "nodes": nodes, "active": active}
    return definitions.save_workflow(workspace=workspace, definition=definition, by=None, workflow=workflow)


def who(path: str) -> Workflow | None:
    """Return the workflow that answers at a path."""
    found = listeners.listening([path]).get(path)
    return found.workflow if found else None


def who_is_tested(path: str) -> Workflow | None:
    found = listeners.tested(path)
    return found.workflow if found else None


def refusal(workspace: Workspace, path: str) -> str:
    """Return what is said of a path that the workspace cannot have; no trace of the try is left."""
    before = (Workflow.objects.count(), WebhookRoute.objects.count())
    with pytest.raises(InvalidGraph) as caught:
        save(workspace, path)
    assert (Workflow.objects.count(), WebhookRoute.objects.count()) == before
    (problem,) = caught.value.problems
    assert (problem.node, problem.field, problem.code) == ("hook0", "parameters.path", "taken")
    return problem.message


def shown(workflow: Workflow) -> tuple[str, str]:
    """Return path and test path of a workflow's only webhook, as its page shows them."""
    assert workflow.latest_version is not None
    (hook,) = hooks_of(workflow, workflow.latest_version)
    return hook["path"], hook["test_path"]


def test_the_first_workspace_has_bare_paths_and_others_have_them_behind_their_slug(
    first: Workspace, second: Workspace, third: Workspace
) -> None:
    ours, theirs, others = (save(workspace, "orders") for workspace in (first, second, third))
    assert [who("orders"), who("second/orders"), who("third/orders")] == [ours, theirs, others]
    assert [shown(each) for each in (ours, theirs)] == [
        ("orders", "test/orders"),
        ("second/orders", "test/second/orders"),
    ]
    assert [who_is_tested(path) for path in ("orders", "second/orders", "first/orders")] == [ours, theirs, None]


def test_a_path_that_is_free_for_a_moment_is_still_its_workspaces(first: Workspace, second: Workspace) -> None:
    victim = save(second, "orders")
    definitions.set_active(victim, False, None)
    assert who("second/orders") is None
    assert "'second/orders' is already in use" in refusal(first, "second/orders")
    save(second, "other", workflow=victim)
    assert "'second/orders' is already in use" in refusal(first, "second/orders")
    assert who_is_tested("second/orders") is None
    successor = save(second, "orders")
    assert who("second/orders") == successor, "Another workflow of the workspace may follow."
    definitions.delete_workflow(successor, None)
    assert WebhookRoute.objects.filter(path="second/orders").exists(), "The first one was active with it, and is there."
    definitions.delete_workflow(victim, None)
    assert not WebhookRoute.objects.exists()
    assert not WebhookClaim.objects.exists()


def test_a_path_of_the_first_workspace_is_not_taken_by_a_workspace_that_gets_its_beginning_as_slug(
    first: Workspace, second: Workspace
) -> None:
    ours = save(first, "acme/orders")
    definitions.set_active(ours, False, None)
    Workspace.objects.filter(pk=second.pk).update(slug="acme")
    second.refresh_from_db()
    assert "'orders' is already in use" in refusal(second, "orders")
    definitions.set_active(ours, True, None)
    assert who("acme/orders") == ours
    theirs = save(second, "invoices")
    assert who("acme/invoices") == theirs
    assert "'acme/payments' is already in use" in refusal(first, "acme/payments")


def test_a_new_slug_moves_no_path_and_the_old_one_gives_none_away(second: Workspace, third: Workspace) -> None:
    theirs = save(second, "orders")
    Workspace.objects.filter(pk=second.pk).update(slug="renamed")
    Workspace.objects.filter(pk=third.pk).update(slug="second")
    second.refresh_from_db()
    third.refresh_from_db()
    assert "'orders' is already in use" in refusal(third, "orders")
    theirs = save(second, "orders", workflow=theirs)
    assert shown(theirs) == ("second/orders", "test/second/orders")
    assert [who("second/orders"), who("renamed/orders"), who_is_tested("second/orders")] == [theirs, None, theirs]
    assert shown(save(second, "invoices"))[0] == "renamed/invoices"


def test_requests_to_a_path_with_parameters_are_not_taken_by_another_workspace(
    first: Workspace, second: Workspace, third: Workspace
) -> None:
    ours = save(first, "acme/:id")
    Workspace.objects.filter(pk=second.pk).update(slug="acme")
    second.refresh_from_db()
    for path in ("7", "7/more", "a/:id"):
        assert f"'{path}' is already in use" in refusal(second, path)
    assert who("acme/7") == ours
    theirs = save(third, "orders", "7/more")
    assert f"'{third.slug}/:id' is already in use" in refusal(first, f"{third.slug}/:id")
    assert [who("third/orders"), who("third/7/more"), who("third/8")] == [theirs, theirs, None]


@pytest.mark.parametrize("slug", ["test", "resume"])
def test_a_slug_that_means_something_else_under_hooks_leads_nowhere(first: Workspace, slug: str) -> None:
    ours = save(first, "orders", active=False)
    there = Workspace.objects.create(name="Test", slug=slug)
    theirs = save(there, "orders")
    assert shown(theirs) == (f"{there.pk}/orders", f"test/{there.pk}/orders")
    assert [who(f"{there.pk}/orders"), who(f"{slug}/orders")] == [theirs, None]
    assert [who_is_tested("orders"), who_is_tested(f"{there.pk}/orders")] == [ours, theirs]
    assert "already in use" in refusal(first, f"{there.pk}/invoices")


def test_the_test_url_of_a_path_leads_to_no_other_workspace(first: Workspace, second: Workspace) -> None:
    attacker = save(second, "orders", active=False)
    assert who_is_tested("orders") is None
    ours = save(first, "orders", active=False)
    assert [who_is_tested("orders"), who_is_tested("second/orders")] == [ours, attacker]
    assert who_is_tested(f"{ours.pk}/orders") == ours
    trap = save(first, "second/orders", active=False)
    assert who_is_tested("second/orders") == attacker
    assert shown(trap) == ("second/orders", f"test/{trap.pk}/second/orders")


def test_a_refusal_says_the_same_whoever_has_the_path(first: Workspace, second: Workspace) -> None:
    save(first, "mine")
    save(second, "theirs")
    within, across = refusal(first, "mine"), refusal(first, "second/theirs")
    assert within.replace("mine", "…") == across.replace("second/theirs", "…")
    assert refusal(first, "second/free").replace("second/free", "…") == within.replace("mine", "…")


def test_two_triggers_of_one_workflow_cannot_have_one_path(first: Workspace) -> None:
    with pytest.raises(InvalidGraph) as caught:
        save(first, "orders", "orders")
    assert [problem.node for problem in caught.value.problems] == ["hook1"]


@COMMITS
def test_of_two_workflows_that_are_activated_at_once_one_gets_the_paths() -> None:
    workspace = Workspace.objects.create(name="Race", slug=f"race-{uuid4().hex[:6]}")
    rivals = [save(workspace, *paths, active=False) for paths in (("a", "b", "c"), ("c", "b", "a"))]
    together = threading.Barrier(len(rivals))

    def activate(workflow: Workflow) -> bool:
        try:
            together.wait(30)
            definitions.set_active(workflow, True, None)
        except InvalidGraph:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(len(rivals)) as pool:
        won = list(pool.map(activate, rivals))
    assert sorted(won) == [False, True]
    winner = rivals[won.index(True)]
    assert set(WebhookRoute.objects.values_list("workflow", flat=True)) == {winner.pk}


@COMMITS
def test_what_is_active_keeps_its_path_over_the_upgrade() -> None:
    """In a workspace that is not the first one, too: over saves and activations, also for a workflow that follows."""
    first, second = (Workspace.objects.create(name=slug, slug=slug) for slug in ("first", "second"))
    workflow = save(second, "orders")
    executor = MigrationExecutor(connection)
    newest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "executions"]
    executor.migrate([("executions", "0007_waits_for_several_deliveries")])
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE executions_webhookroute SET path = 'orders' WHERE path = 'second/orders'")
            assert cursor.rowcount == 1
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert who("orders") == workflow
    assert shown(workflow) == ("orders", "test/orders")
    definitions.set_active(workflow, False, None)
    assert "already in use" in refusal(first, "orders")
    definitions.set_active(workflow, True, None)
    workflow = save(second, "orders", workflow=workflow)
    assert who("orders") == workflow
    definitions.set_active(workflow, False, None)
    assert shown(save(second, "orders"))[0] == "orders"
    assert shown(save(second, "new"))[0] == "second/new"

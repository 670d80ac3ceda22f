"""What people see of an execution whose events are gone, and of a workspace that is."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from events.log.models import Event, Stream
from events.retention import cleanup
from events.retention.models import RetentionPolicy
from executions.lifecycle import create_execution, request_cancel
from executions.models import Execution, Trigger, Workflow
from tests.engine import make_execution
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db

NODES = [{"id": "a", "type": "manual_trigger", "parameters": {}}]


def test_a_workspace_that_is_deleted_takes_its_history_out_of_sight_and_then_away() -> None:
    execution = make_execution(NODES, [])
    user = User.objects.create_superuser("root")
    Membership.objects.create(user=user, workspace=execution.workspace, role=Role.ADMIN)
    site = Client()
    site.force_login(user)
    deletion = f"/admin/accounts/workspace/{execution.workspace_id}/delete/"
    assert "Executions: 1" in site.get(deletion).content.decode()
    assert site.post(deletion, {"post": "yes"}).status_code == 302
    assert not Workspace.objects.filter(pk=execution.workspace_id).exists()
    assert not Workflow.objects.exists()
    assert not Stream.objects.visible_to(user).exists()
    names = [execution.stream.name, f"workflow:{execution.workflow_id}"]
    assert Event.objects.filter(stream__name__in=names).count() == 2
    report = cleanup.clean_up()
    assert report.removed.events == {None: 2}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_event WHERE execution_id = %s", [execution.pk])
        assert cursor.fetchone() == (0,)
    assert not Stream.objects.filter(name__in=names).exists()


def test_executions_go_with_their_events_only_if_that_is_asked_for(settings: Any) -> None:
    settings.EVENT_HISTORY_ENABLED, settings.STREAM_CLOSE_SECONDS = False, 0.0
    ended, running = make_execution(NODES, []), make_execution(NODES, [])
    request_cancel(ended)
    waiting = create_execution(workflow=ended.workflow, trigger=Trigger.RERUN, input=[], rerun_of=ended)
    parent = create_execution(workflow=ended.workflow, trigger=Trigger.MANUAL, input=[])
    Execution.objects.filter(pk=running.pk).update(parent=parent)
    request_cancel(parent)
    Execution.objects.update(follow_up_due=False)
    cleanup.clean_up()
    assert Execution.objects.count() == 4
    said = StringIO()
    call_command("cleanup_history", "--executions", "--dry-run", stdout=said)
    call_command("cleanup_history", "--executions", stdout=said)
    assert said.getvalue() == "1 execution, 0\xa0bytes of outputs, would be deleted\n1 execution deleted\n"
    assert set(Execution.objects.values_list("pk", flat=True)) == {running.pk, waiting.pk, parent.pk}
    waiting.refresh_from_db()
    assert waiting.rerun_of_id is None
    cleanup.clean_up()
    assert not Stream.objects.filter(name=f"execution:{ended.pk}").exists()


def test_policies_are_made_in_the_admin_site_and_the_last_cleanup_is_seen_there() -> None:
    site = Client()
    site.force_login(User.objects.create_superuser("root"))
    workspace = Workspace.objects.create(name="Lab", slug="lab")
    form = {"workspace": str(workspace.pk), "days": "0", "keep_failed_days": "90", "max_events": ""}
    refused = site.post("/admin/events/retentionpolicy/add/", form).content.decode()
    assert "greater than or equal to 1" in refused
    assert site.post("/admin/events/retentionpolicy/add/", form | {"days": "7"}).status_code == 302
    policy = RetentionPolicy.objects.get()
    assert (policy.workspace_id, policy.days, policy.keep_failed_days, policy.max_events) == (workspace.pk, 7, 90, None)
    cleanup.clean_up()
    assert site.get("/admin/events/cleanupstate/").status_code == 200
    assert site.get("/admin/events/event/").status_code == 200

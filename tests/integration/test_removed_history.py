"""What people see of an execution whose events are gone, and of a workspace that is."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from events import cleanup
from events.models import Event, Stream
from executions.models import Workflow
from tests.engine import make_execution
from workflow_platform.accounts.models import Membership, Role, User, Workspace

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

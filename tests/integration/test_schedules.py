"""Schedules in this very process: what fires, how often, and what saving does to it."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from executions import lifecycle
from executions.domain.graph import InvalidGraph
from executions.models import Execution, Schedule, Trigger, Workflow
from executions.triggers import schedules
from executions.workflows import definitions
from tests.engine import COMMITS
from tests.scheduling import due_now, scheduled, started
from workflow_platform.installation.embedded import wait_until

HOURLY = {"cron": "0 * * * *"}


def save(workflow: Workflow, **definition: Any) -> Workflow:
    return definitions.save_workflow(
        workspace=workflow.workspace, definition=definition, by=None, workflow=Workflow.objects.get(pk=workflow.pk)
    )


# --- the rows follow the workflow ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_active_workflow_has_a_schedule_until_it_is_deactivated_or_deleted() -> None:
    workflow = scheduled(active=False, **HOURLY)
    assert not workflow.schedules.exists()
    definitions.set_active(workflow, True, None)
    assert timezone.now() < workflow.schedules.get().next_at <= timezone.now() + timedelta(hours=1)
    definitions.set_active(workflow, False, None)
    assert not workflow.schedules.exists()
    definitions.set_active(workflow, True, None)
    definitions.delete_workflow(workflow, None)
    assert not workflow.schedules.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("parameters", [HOURLY, {"interval_seconds": 3600}])
def test_a_save_that_leaves_the_schedule_as_it_is_keeps_the_next_time(parameters: dict[str, Any]) -> None:
    workflow = scheduled(**parameters)
    due = due_now(workflow)  # and not fired yet
    assert workflow.latest_version is not None
    nodes = workflow.latest_version.nodes
    save(workflow, name="Another name")
    save(workflow, nodes=[*nodes[:1], nodes[1] | {"name": "Renamed"}, *nodes[2:]])
    save(workflow, nodes=[*nodes[:1], nodes[1] | {"parameters": parameters | {"missed": "run_all"}}, *nodes[2:]])
    kept = workflow.schedules.get()
    assert (kept.pk, kept.next_at, kept.anchor_at, kept.missed) == (due.pk, due.next_at, due.anchor_at, "run_all")


@pytest.mark.django_db
def test_a_save_that_changes_the_rule_begins_anew_and_a_disabled_trigger_has_none() -> None:
    workflow = scheduled(**HOURLY)
    due_now(workflow)
    assert workflow.latest_version is not None
    start, tick, end = workflow.latest_version.nodes
    save(workflow, nodes=[start, tick | {"parameters": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}}, end])
    changed = workflow.schedules.get()
    assert changed.next_at > timezone.now()
    assert changed.rule.timezone == "Europe/Berlin"
    save(workflow, nodes=[start, tick | {"disabled": True}, end])
    assert not workflow.schedules.exists()


@pytest.mark.django_db
def test_an_activation_follows_the_version_there_is_by_then() -> None:
    read_before = scheduled(active=False, **HOURLY)
    assert read_before.latest_version is not None
    start, tick, end = read_before.latest_version.nodes
    save(read_before, nodes=[start, tick | {"parameters": {"interval_seconds": 60}}, end])
    definitions.set_active(read_before, True, None)
    assert read_before.schedules.get().interval_seconds == 60


@pytest.mark.django_db
def test_a_bad_schedule_is_refused_when_it_is_saved() -> None:
    with pytest.raises(InvalidGraph) as refused:
        scheduled(cron="0 9 * *", timezone="Europe/Berln")
    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["parameters.cron", "parameters.timezone"]


# --- firing ----------------------------------------------------------------------------------------------------------


@COMMITS
def test_a_schedule_that_is_due_starts_its_workflow_at_its_trigger_with_the_planned_time() -> None:
    workflow = scheduled(cron="*/5 * * * *", timezone="America/New_York")
    planned = due_now(workflow).next_at
    assert schedules.fire_due() == 1
    assert schedules.fire_due() == 0
    execution = workflow.executions.get()
    assert (execution.trigger, execution.trigger_node) == (Trigger.SCHEDULE, "tick")
    (item,) = execution.input
    assert datetime.fromisoformat(item["scheduled_at"]) == planned
    assert datetime.fromisoformat(item["local_time"]) == planned
    assert item["local_time"][-6:] in {"-05:00", "-04:00"}
    assert (item["missed"], item["missed_runs"], item["timezone"]) == (False, 0, "America/New_York")
    row = workflow.schedules.get()
    assert (row.last_at, row.last_execution_id) == (planned, execution.pk)
    assert row.next_at > timezone.now()


@COMMITS
def test_two_schedulers_fire_each_of_fifty_schedules_once() -> None:
    workflows = [scheduled(**HOURLY) for _ in range(50)]
    for _ in range(3):
        Schedule.objects.update(next_at=timezone.now())
        gate, fired = threading.Barrier(2), Counter[str]()

        def scheduler(name: str) -> None:
            gate.wait()  # noqa: B023
            while Schedule.objects.filter(next_at__lte=timezone.now()).exists():
                fired[name] += schedules.fire_due()  # noqa: B023
            connection.close()

        threads = [threading.Thread(target=scheduler, args=(name,)) for name in ("one", "other")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert fired.total() == 50
        assert min(fired["one"], fired["other"]) > 0
    per_workflow = Counter(Execution.objects.values_list("workflow_id", flat=True))
    assert per_workflow == {workflow.pk: 3 for workflow in workflows}


@COMMITS
def test_a_scheduler_that_dies_before_its_commit_has_fired_nothing_and_the_next_one_fires_once() -> None:
    workflow = scheduled(**HOURLY)
    planned = due_now(workflow).next_at
    holding, die = threading.Event(), threading.Event()
    create = lifecycle.create_execution

    def create_and_hang(**words: Any) -> Execution:
        execution = create(**words)
        holding.set()
        die.wait(60)
        connection.connection.close()  # as PostgreSQL sees a process that is killed
        return execution

    def scheduler() -> None:
        with mock.patch.object(lifecycle, "create_execution", create_and_hang), pytest.raises(OperationalError):
            schedules.fire_due()
        connection.close()

    thread = threading.Thread(target=scheduler)
    thread.start()
    assert holding.wait(60)
    assert schedules.fire_due() == 0  # in the other's hands
    die.set()
    thread.join()
    assert not workflow.executions.exists()
    assert workflow.schedules.get().next_at == planned
    wait_until(lambda: schedules.fire_due() == 1, "The firing by the scheduler that lives")
    assert [datetime.fromisoformat(item["scheduled_at"]) for item in started(workflow)] == [planned]


@COMMITS
def test_a_workflow_that_is_being_saved_is_passed_over_and_fired_afterwards() -> None:
    workflow, other = scheduled(**HOURLY), scheduled(**HOURLY)
    Schedule.objects.update(next_at=timezone.now())
    locked, go = threading.Event(), threading.Event()

    def saving() -> None:
        with transaction.atomic():
            save(workflow, name="In the making")
            locked.set()
            go.wait(60)
        connection.close()

    thread = threading.Thread(target=saving)
    thread.start()
    assert locked.wait(60)
    assert schedules.fire_due() == 1
    assert len(started(other)) == 1
    go.set()
    thread.join()
    assert schedules.fire_due() == 1
    assert len(started(workflow)) == 1


@COMMITS
@pytest.mark.parametrize("error", [lifecycle.CannotStart("It may not."), RuntimeError("a bug, with a secret")])
def test_one_that_cannot_start_is_told_on_its_row_and_does_not_stop_the_others(error: Exception) -> None:
    broken, sound = scheduled(**HOURLY), scheduled(**HOURLY)
    Schedule.objects.update(next_at=timezone.now())
    create = lifecycle.create_execution

    def create_or_fail(*, workflow: Workflow, **words: Any) -> Execution:
        if workflow.pk == broken.pk:
            raise error
        return create(workflow=workflow, **words)

    with mock.patch.object(lifecycle, "create_execution", create_or_fail):
        assert schedules.fire_due() == 1
    assert len(started(sound)) == 1
    row = broken.schedules.get()
    said = (
        "It may not."
        if isinstance(error, lifecycle.CannotStart)
        else ("RuntimeError: see the scheduler's log for details.")
    )
    assert row.last_error == said
    assert row.last_error_at is not None
    assert row.next_at > timezone.now()
    due_now(broken)
    assert schedules.fire_due() == 1
    assert broken.schedules.get().last_error == ""


@COMMITS
def test_a_schedule_whose_time_zone_is_gone_is_told_and_tried_again_later() -> None:
    workflow, sound = scheduled(**HOURLY), scheduled(**HOURLY)
    Schedule.objects.update(next_at=timezone.now())
    workflow.schedules.update(timezone="Europe/Atlantis")
    assert schedules.fire_due() == 1
    assert len(started(sound)) == 1
    row = workflow.schedules.get()
    assert row.last_error.startswith("ZoneInfoNotFoundError")
    assert row.next_at > timezone.now() + timedelta(minutes=59)


@COMMITS
def test_the_trigger_that_fits_is_where_a_scheduled_execution_begins() -> None:
    workflow = scheduled(**HOURLY)
    execution = lifecycle.create_execution(workflow=workflow, trigger=Trigger.SCHEDULE, input=[])
    assert execution.trigger_node == "tick"
    by_hand = lifecycle.create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[])
    assert by_hand.trigger_node == "start"

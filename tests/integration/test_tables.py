"""What a test that commits leaves behind: what migrations put into the tables, and nothing else."""

from __future__ import annotations

import threading

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from events.catalogue.stream_names import FEED
from events.log.models import Event, Stream
from executions.models import Execution, Workflow
from tests import tables
from tests.engine import COMMITS, make_execution
from tests.recording import append, make_stream
from tests.workflows import node
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.installation.embedded import wait_until

pytestmark = COMMITS


def as_migrated() -> list[object]:
    """Return all rows of the streams and types, and how many there are of the rest."""
    return [
        list(Stream.objects.order_by("pk").values()),
        list(ContentType.objects.order_by("pk").values()),
        [model.objects.count() for model in (Event, Execution, Workflow, Workspace)],
    ]


def test_what_was_committed_is_gone_and_what_migrations_made_is_back() -> None:
    before = as_migrated()
    make_execution([node("start", "manual_trigger")], [])
    append(make_stream(), "one", "two")
    ContentType.objects.filter(model="execution").delete()
    Stream.objects.filter(name=FEED).update(last_sequence=77)
    assert as_migrated() != before
    tables.restore()
    assert as_migrated() == before
    assert before[2] == [0, 0, 0, 0]


def test_what_a_thread_is_about_to_commit_goes_too() -> None:
    before, written, go_on = as_migrated(), threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Workspace.objects.create(name="Late", slug="late")
            written.set()
            assert go_on.wait(60)
        connection.close()

    def restore() -> None:
        tables.restore()
        connection.close()

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%restore()'")
            return cursor.fetchone() is not None

    threads = [threading.Thread(target=target) for target in (write, restore)]
    threads[0].start()
    assert written.wait(60)
    threads[1].start()
    wait_until(waits, "The lock")
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert as_migrated() == before

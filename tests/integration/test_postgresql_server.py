"""Statements and commits of a process whose PostgreSQL is slow, or goes away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import psycopg
import pytest
from django.core.signals import request_started
from django.db import OperationalError, connection, transaction
from django.test import RequestFactory

from tests.engine import COMMITS
from tests.integration.test_engine import end_backend
from workflow_platform.core.api import problems
from workflow_platform.core.postgresql import server
from workflow_platform.core.postgresql.server import outcome_unknown
from workflow_platform.installation.embedded import wait_until

pytestmark = COMMITS
KEY = 8_031
CONTEXT = {"request": RequestFactory().post("/api/workflows/")}


@pytest.fixture(autouse=True)
def connection_of_the_test() -> Iterator[None]:
    yield
    connection.close()


@pytest.fixture
def probes(settings: Any) -> Iterator[list[None]]:
    """Have slow statements suspected at once; yields one entry for each answered probe."""
    settings.WORKER_DATABASE_TIMEOUT_SECONDS = 2.0
    answered: list[None] = []
    probe = server._probe

    def counted() -> None:
        probe()
        answered.append(None)

    with mock.patch.object(server.server(), "_probe", counted):
        yield answered


def test_a_statement_that_waits_for_a_lock_is_left_alone_while_the_server_answers(probes: list[None]) -> None:
    got: list[Any] = []

    def wait() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s), 'granted'", [KEY])
            got.append(cursor.fetchone()[1])
        connection.close()

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [KEY])
        waiting = threading.Thread(target=wait)
        waiting.start()
        try:
            wait_until(lambda: len(probes) >= 3, "Probes")
            assert not got
        finally:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            waiting.join()
    assert got == ["granted"]


def test_of_a_commit_whose_end_was_not_heard_nothing_is_claimed() -> None:
    def change() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()")
            end_backend()

    with pytest.raises(OperationalError) as lost:
        change()
    assert outcome_unknown(lost.value)
    assert answered("POST", lost.value) == problems.UNKNOWN
    assert answered("GET", lost.value) == problems.AWAY


def test_a_transaction_that_was_not_to_be_committed_yet_has_changed_nothing() -> None:
    def change() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
            end_backend()
            cursor.execute("SELECT 1")

    with pytest.raises(OperationalError) as lost:
        change()
    assert not outcome_unknown(lost.value)
    assert answered("POST", lost.value) == problems.AWAY


def test_a_transaction_that_was_idle_for_too_long_is_tried_again_later() -> None:
    def idle() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            session = cursor.fetchone()[0]
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10ms'")
            with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as other:
                alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
                wait_until(lambda: other.execute(alive, [session]).fetchone() == (0,), "The end of the session")
            cursor.execute("SELECT 1")

    request_started.send(sender=None)
    with pytest.raises(OperationalError) as ended:
        idle()
    assert not outcome_unknown(ended.value)
    response = problems.exception_handler(ended.value, CONTEXT)
    assert response is not None
    assert (response.status_code, response["Retry-After"], response.data["detail"]) == (503, "2", problems.AWAY)


@pytest.mark.parametrize(
    ("statement", "unknown"), [("SELECT 1", False), ("UPDATE accounts_user SET last_name = last_name", True)]
)
def test_of_a_statement_outside_a_transaction_nothing_is_claimed_unless_it_reads(statement: str, unknown: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    end_backend()
    with pytest.raises(OperationalError) as lost, connection.cursor() as cursor:
        cursor.execute(statement)
    assert outcome_unknown(lost.value) is unknown


def test_a_request_that_fails_after_a_commit_does_not_say_that_nothing_happened() -> None:
    lost = OperationalError("the connection is lost")
    request_started.send(sender=None)
    assert problems.exception_handler(lost, CONTEXT).data["detail"] == problems.AWAY  # type: ignore[union-attr]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    assert problems.exception_handler(lost, CONTEXT).data["detail"] == problems.UNKNOWN  # type: ignore[union-attr]


def answered(method: str, error: Exception) -> str:
    """Return what a program is told."""
    request_started.send(sender=None)
    request = RequestFactory().generic(method, "/api/workflows/")
    response = problems.exception_handler(error, {"request": request})
    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, problems.RETRY_AFTER)
    return str(response.data["detail"])

"""Events of the installation itself, on the stream `system`, which staff may watch."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from events import log
from events.bus import after_commit
from events.catalogue.stream_names import SYSTEM
from events.log import NewEvent
from events.log.models import Stream
from events.log.partitions import first_id
from events.log.reading import COLUMNS, SOURCE, recorded
from events.log.recorded import RecordedEvent
from workflow_platform.core.backoff import HALF, around

logger = logging.getLogger(__name__)

PROCESS_SOURCE = "platform.processes"
PATIENCE_SECONDS = 600.0
"""How long a started process keeps trying to record its start while the database is unavailable."""
FAREWELL_SECONDS = 2.0
"""How long a stopping process tries to record its stop."""


@transaction.atomic
def emit(
    type_: str,
    *,
    source: str,
    component: str,
    message: str,
    figures: dict[str, float] | None = None,
    time: datetime | None = None,
    **further: Any,
) -> None:
    """Append `system.<type_>` for a component, with a message and figures; `further` are other fields of the type."""
    stream_id = Stream.objects.values_list("pk", flat=True).get(name=SYSTEM)
    data = {"component": component, "message": message, "figures": figures or {}, **further}
    log.append([NewEvent(stream_id, f"system.{type_}", data, source, time=time)])


def report_loss(subscriber: str, why: str, lost: int) -> None:
    """Append `system.error` for an after-commit subscriber that has lost events for good."""
    emit(
        "error",
        source="events.bus",
        component=subscriber,
        message=f"An after-commit subscriber has failed permanently: {why}"[:500],
        figures={"events": float(lost), "attempts": float(after_commit.ATTEMPTS)},
    )


@contextmanager
def exclusive_emit() -> Iterator[None]:
    """Block other processes from emitting until the block's transaction ends, so that this one can check the last
    event before it emits another one."""
    with transaction.atomic():
        Stream.objects.select_for_update().get(name=SYSTEM)
        yield


def last_emitted(type_: str, source: str, since: datetime) -> RecordedEvent | None:
    """Return the latest `system.<type_>` of a source since a time."""
    statement = (
        f"SELECT {COLUMNS} FROM {SOURCE} WHERE s.name = %s AND e.type = %s AND e.source = %s AND e.id >= %s"  # noqa: S608
        " ORDER BY e.sequence DESC LIMIT 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [SYSTEM, f"system.{type_}", source, first_id(since)])
        return next(iter(recorded(cursor.fetchall())), None)


def started(component: str) -> None:
    """Emit that this process has started, as soon as the database accepts it. Never waits, never raises."""
    _emit_for_process("startup", component, "has started", PATIENCE_SECONDS)


def stopped(component: str) -> None:
    """Emit that this process stops, if the database accepts it within two seconds. Never raises."""
    _emit_for_process("shutdown", component, "stops", FAREWELL_SECONDS).join(FAREWELL_SECONDS)


def _emit_for_process(type_: str, component: str, what: str, patience: float) -> threading.Thread:
    # A thread: callers may be in an event loop, and a start does not wait for the database.
    arguments = (type_, component, what, timezone.now(), time.monotonic() + patience)
    thread = threading.Thread(target=_try_to_emit, args=arguments, name=f"system.{type_}", daemon=True)
    thread.start()
    return thread


def _try_to_emit(type_: str, component: str, what: str, moment: datetime, until: float) -> None:
    host, pid = socket.gethostname(), os.getpid()
    message = f"{component} {what} on {host}, process {pid}."
    while True:
        try:
            emit(
                type_,
                source=PROCESS_SOURCE,
                component=component,
                message=message,
                time=moment,
                pid=pid,
                host=host,
            )
        except (DatabaseError, InterfaceError, Stream.DoesNotExist) as error:
            if time.monotonic() > until:
                logger.warning("system event not written: %s; its message was: %s", error, message)
                return
        except Exception:
            logger.exception("system event not written; its message was: %s", message)
            return
        else:
            return
        finally:
            connection.close()
        time.sleep(around(1.0, HALF))

"""The companion of a worker in the test's own process, one beat at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from executions.engine.heartbeat.companion import Companion, Order
from executions.engine.heartbeat.process import _database
from executions.engine.heartbeat.table import Table


@contextmanager
def companion(table: Table) -> Iterator[Companion]:
    """Yield the companion of this process, over the test database; it beats when it is told to."""
    seconds = settings.LEASE_SECONDS
    made = Companion(Order(os.getpid(), table.descriptor, table.slots, seconds, seconds / 5, _database()), table)
    try:
        yield made
    finally:
        made.disconnect()

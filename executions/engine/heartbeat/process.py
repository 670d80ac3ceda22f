"""A worker's companion as the worker sees it: started, watched, restarted."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from executions.engine.heartbeat.companion import Order
from executions.engine.heartbeat.table import Table

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
KEPT = {"PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "TZ"}
BETWEEN_STARTS_SECONDS = 1.0
CONNECTION_DEFAULTS = {"connect_timeout": 3, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""A server that stops answering is disconnected and tried again within the time of a lease."""


class CompanionProcess:
    """One companion at a time, over one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._start()

    @property
    def pid(self) -> int:
        """Return its process number."""
        return int(self._process.pid)

    def keep(self) -> None:
        """Start another if it has died: the leases last until then."""
        if self._process.poll() is not None and time.monotonic() - self._started_at > BETWEEN_STARTS_SECONDS:
            logger.warning(
                "process that renews leases ended with exit code %s; starting another", self._process.returncode
            )
            self._socket.close()
            self._start()

    def stop(self) -> None:
        """End the companion, and wait for it: the worker holds no lease any more."""
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self._socket, companion_socket = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PG")}
        with companion_socket:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "executions.engine.heartbeat.companion"],
                stdin=companion_socket.fileno(),
                stdout=subprocess.DEVNULL,
                pass_fds=[self._table.descriptor],
                cwd=ROOT,
                env=environment | {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
                start_new_session=True,
            )
        order = Order(
            os.getpid(),
            self._table.descriptor,
            self._table.slots,
            settings.LEASE_SECONDS,
            settings.HEARTBEAT_SECONDS,
            _database(),
            f"{socket.gethostname()}:{os.getpid()}",
            settings.LOG_FORMAT,
            settings.LOG_LEVEL,
        )
        # The password is sent over the socket: other users can read the arguments and environment of a process.
        with suppress(OSError):  # it has died already: `keep` sees that
            self._socket.sendall(json.dumps(asdict(order)).encode() + b"\n")


def _database() -> dict[str, Any]:
    """Return how this process reaches the database, as libpq knows it."""
    parameters = connection.get_connection_params()
    known = {name: value for name, value in parameters.items() if isinstance(value, str | int) and value is not None}
    known.pop("prepare_threshold", None)
    return CONNECTION_DEFAULTS | known | {"application_name": "workflow-platform-leases"}

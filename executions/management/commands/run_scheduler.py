"""`manage.py run_scheduler`: fires the schedules that are due; sweeps lost leases, waits that are due, lost jobs;
has more or fewer workers run; and what replays are due."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection
from redis.exceptions import RedisError

from events.replay import jobs as replays
from executions import recovery, schedules
from executions.scaling import Scaler
from workflow_platform import idempotency

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
FORGET_SECONDS = 60.0


class Command(BaseCommand):
    help = "Fire the schedules that are due; queue again what a crash has left. Several may run at once."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        forgot_at = 0.0
        scaler = Scaler()
        while not stop.wait(INTERVAL_SECONDS):
            try:
                if time.monotonic() - forgot_at > FORGET_SECONDS:
                    forgot_at = time.monotonic()
                    idempotency.sweep()
                    replays.sweep_expired()
                schedules.fire_due()
                if count := recovery.sweep():
                    logger.info("%d executions queued again", count)
                scaler.step()
                replays.sweep_due()
            except (DatabaseError, InterfaceError, RedisError) as error:
                logger.warning("sweep failed, trying again: %s", error)
                connection.close()
                stop.wait(1)

"""What commits leave to be done at once, by one thread of each process: admissions, and what follows an end.

Nothing depends on it: whatever a process leaves undone when it dies, the sweep of the scheduler finds.
"""

from __future__ import annotations

import logging
import os
import threading

from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)


class _Background:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.admissions = self.follow_ups = False
        self.wake = threading.Event()
        self.busy = False
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def _run(self) -> None:
        from executions import admission, follow_up

        while True:
            self.busy = False
            self.wake.wait()
            self.busy = True
            self.wake.clear()
            try:
                if self.follow_ups:
                    self.follow_ups = False
                    follow_up.follow_up_all()
                if self.admissions:
                    self.admissions = False
                    admission.admit()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("left to the sweep: %s", error)
                connection.close()
            except Exception:
                logger.exception("left to the sweep")
            finally:
                if not self.wake.is_set():
                    connection.close()


_background: _Background | None = None
_starting = threading.Lock()


def _get() -> _Background:
    global _background
    with _starting:
        if _background is None or _background.pid != os.getpid():
            _background = _Background()
        return _background


def is_idle() -> bool:
    """Tell whether this process has nothing left to do."""
    return _background is None or not (_background.busy or _background.wake.is_set())


def admit() -> None:
    """Have the line looked at soon."""
    background = _get()
    background.admissions = True
    background.wake.set()


def follow_up() -> None:
    """Have ends followed up, and the line looked at, soon."""
    background = _get()
    background.follow_ups = background.admissions = True
    background.wake.set()

"""Put on PYTHONPATH, lets tests hold the interpreter's lock of a worker: as code in C does that never gives it up.

While `$HOLD_LOCK/<process number>` exists, a thread holds the lock again and again, each time for as many seconds as
the file says; the first time is over when `<process number>.done` exists.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.02


def _hold(folder: Path) -> None:
    library = ctypes.PyDLL(None)  # unlike CDLL, it calls without giving the lock up
    wanted, done = folder / str(os.getpid()), folder / f"{os.getpid()}.done"
    while True:
        if wanted.exists() and (text := wanted.read_text()):
            library.usleep(int(float(text) * 1_000_000))
            done.touch()
        time.sleep(LOOK_SECONDS)


if "HOLD_LOCK" in os.environ and "rqworker" in sys.orig_argv:
    threading.Thread(target=_hold, args=(Path(os.environ["HOLD_LOCK"]),), daemon=True).start()

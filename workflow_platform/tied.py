"""Run a command that gets a signal when its parent dies, so that nobody is left behind: `tied.py SIGNAL command …`.

Run by its path, with nothing but the standard library: PostgreSQL's user has no access to the rest.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie(number: int) -> None:
    """Have the kernel send signal `number` to this process when the thread that made it ends. Does nothing but on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    tie(signal.Signals[f"SIG{sys.argv[1]}"])
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command comes from our own configuration

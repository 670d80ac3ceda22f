"""Run a command that gets a signal when its parent dies, so that no process is left behind: `pdeathsig.py SIGNAL USER
command …`. An empty USER keeps the current user.

The user is changed here, not by the supervisor: PostgreSQL's may have no access to this very interpreter.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie(number: int) -> None:
    """Have the kernel send signal `number` to this process when the thread that made it ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)


def become(name: str) -> None:
    """Change the user of this process, with that user's group and no other."""
    entry = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.chdir("/")


if __name__ == "__main__":
    if sys.argv[2]:
        become(sys.argv[2])
    tie(signal.Signals[f"SIG{sys.argv[1]}"])  # last: the kernel forgets it when the user changes
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - the command comes from our own configuration

"""Run a command that cannot raise its priority: `own_priority.py command …`.

Chromium gives its threads the niceness -8 if it may, and root may: whatever runs beside it, the platform and other
tests, would get a tenth of a processor.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import sys
from pathlib import Path

PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23


def script(folder: Path, command: str) -> Path:
    """Write an executable into `folder` that runs the command so."""
    path = folder / Path(command).name
    words = shlex.join([sys.executable, "-ES", __file__, command])
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o700)
    return path


if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)  # for others than root it is refused: no matter
    os.execv(sys.argv[1], sys.argv[1:])

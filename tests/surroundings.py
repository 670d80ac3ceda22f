"""What the suite is independent of: how it was started, and how fast the machine is. Loaded before anything else.

The environment of a shell (proxies, language, time zone, the platform's own variables) is inherited by every process
that tests start, and so are the signals that a shell ignores for what it runs in the background.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from workflow_platform.core.sandbox import task
from workflow_platform.installation import embedded

MEANT = {"DATABASE_URL", "REDIS_URL"}
"""Variables that say where the tests are to run."""
OF_SHELLS = (
    "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "DJANGO_COLORS", "PYTHONWARNINGS", "LANGUAGE",
    "PYTHONDONTWRITEBYTECODE",  # as images of containers have it: each of hundreds of processes would compile the code
)  # fmt: skip
PATIENCE_SECONDS = 400.0
"""No test says how soon something happens. What does not happen at all is ended by pytest-timeout, or by this."""
_SETTINGS = Path(__file__).resolve().parent.parent / "workflow_platform" / "settings.py"
_once_more = embedded.wait_until


def arrange() -> None:
    """Have this process and its children see the same surroundings everywhere."""
    for name in (*_settings(), *OF_SHELLS, "WORKFLOW_PLATFORM_TOKEN", "WORKFLOW_PLATFORM_URL"):
        if name not in MEANT:
            os.environ.pop(name, None)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("LC_", "PG")):
            del os.environ[name]
    sys.dont_write_bytecode = False
    os.environ |= {"LANG": "C.UTF-8", "TZ": "UTC"}
    time.tzset()
    os.umask(0o022)
    embedded.wait_until = _wait_until
    task.WALL_GRACE_SECONDS = PATIENCE_SECONDS


def hear_interrupts() -> None:
    """Have a child be ended by SIGINT (`preexec_fn`): a shell that runs the suite in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _settings() -> set[str]:
    """Return the names of the variables that the settings read."""
    found = re.findall(r"(?:env\.\w+(?:, |\()|_read_\w+\()\"([A-Z][A-Z0-9_]+)\"", _SETTINGS.read_text())
    assert found
    return set(found)


def _wait_until(ready: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    _once_more(ready, what, max(seconds, PATIENCE_SECONDS))

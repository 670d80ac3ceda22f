"""The data folder, which only the user of the platform can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

COLLECTED = "static_collected"
"""Says which static files have been collected: most starts find them as they are."""
OWN = (
    "logs", "redis", "static", COLLECTED, "secret_key", "up.lock", "postgres.password", "supervisord.conf",
    "supervisord.pid",
)  # fmt: skip
"""The contents of the folder, except PostgreSQL's folder, which PostgreSQL protects itself."""


def close_to_others(folder: Path) -> list[Path]:
    """Remove the permissions of the group and of others from the folder and its contents. Returns the paths that belong
    to another user and cannot be changed."""
    left = []
    for path in _own(folder):
        try:
            mode = path.lstat().st_mode
            if mode & 0o077 and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~0o077)
        except FileNotFoundError:
            continue
        except PermissionError:
            left.append(path)
    return left


def _own(folder: Path) -> Iterator[Path]:
    if not folder.stat().st_mode & stat.S_ISVTX:  # a shared folder, such as /tmp
        yield folder
    for name in OWN:
        yield folder / name
    yield from (folder / "logs").glob("*")

"""The data folder: only the user of the platform reads what is in it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

OWN = (
    "logs", "redis", "static", "secret_key", "up.lock", "postgres.password", "supervisord.conf", "supervisord.pid",
)  # fmt: skip
"""What the platform keeps in it, but for PostgreSQL's folder, which PostgreSQL closes itself."""


def close_to_others(folder: Path) -> list[Path]:
    """Take the rights of the group and of others from the folder and from what the platform keeps in it. Return what
    cannot be closed because it belongs to somebody else."""
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
    if not folder.stat().st_mode & stat.S_ISVTX:  # a folder such as /tmp is not ours alone
        yield folder
    for name in OWN:
        yield folder / name
    yield from (folder / "logs").glob("*")

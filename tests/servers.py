"""The servers that tests and checks run against: those of the environment, or embedded ones for as long as needed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from workflow_platform.installation.embedded import PostgresServer, RedisServer, as_server, free_port, wait_until

SECRET_KEY = "only-for-tests-" * 4


@contextmanager
def running(command: list[str], log: Path, **kwargs: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block runs; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **kwargs)  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def servers() -> Iterator[Path]:
    """Set DATABASE_URL and REDIS_URL, starting what they do not name. Yields a folder for logs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wfp-", ignore_cleanup_errors=True)))
        if not os.environ.get("DATABASE_URL"):
            postgres = PostgresServer(folder / "postgres", free_port())
            postgres.prepare()
            command = [*postgres.command, "-c", "fsync=off"]
            stack.enter_context(running(command, folder / "postgres.log", **as_server()))
            wait_until(postgres.ready, "PostgreSQL")
            os.environ["DATABASE_URL"] = postgres.url
        if not os.environ.get("REDIS_URL"):
            redis = RedisServer(folder / "redis", free_port())
            redis.prepare()
            stack.enter_context(running(redis.command, folder / "redis.log", cwd=folder))
            wait_until(redis.ready, "Redis")
            os.environ["REDIS_URL"] = redis.url
        os.environ.setdefault("SECRET_KEY", SECRET_KEY)
        os.environ.setdefault("OUTBOUND_PORTS", "1-65535")  # receivers of tests name ports where nobody listens
        os.environ["DATA_DIR"] = str(folder)
        (folder / "static").mkdir()
        yield folder

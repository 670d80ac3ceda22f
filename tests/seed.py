"""A PostgreSQL cluster that has the platform's tables already. It is made once in a run of the tests; each process of
the run, and each installation that a test starts, begins with a copy."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from tests import servers
from workflow_platform.installation import embedded
from workflow_platform.installation.data_folder import COLLECTED
from workflow_platform.installation.embedded import EmbeddedPostgres, free_port

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a-password-for-tests"
"""The first admin's."""
MIGRATED, PREPARED = "migrated", "prepared"
"""The databases of the seed besides `postgres`, to create others from: one has the tables, as `postgres` has, the other
also the first admin and the samples."""


class Seed:
    """A cluster in `folder`, made by one process and copied by others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.static = folder / "static"
        """The collected static files."""
        self._collected = folder / COLLECTED
        self._postgres = EmbeddedPostgres(folder / "postgres", free_port())
        self._done, self._failed, self._token = folder / "done", folder / "failed", folder / "token"

    @property
    def token(self) -> str:
        """Return the API token of the first admin in `PREPARED`."""
        return self._token.read_text()

    def reserve(self) -> str:
        """Make the folder, and decide on the password. Returns it."""
        self.folder.mkdir(exist_ok=True)
        self._postgres.password_file.touch(mode=0o600)
        self._postgres.password_file.write_text(secrets.token_urlsafe(24))
        return self.password

    @property
    def password(self) -> str:
        """Return the password of the cluster, known before the cluster is made."""
        return self._postgres.password_file.read_text()

    def make(self, *, tables: bool = True, prepared: bool = True) -> None:
        """Make it, with what is needed of it: the tables, and the database `PREPARED` with the static files."""
        try:
            self._postgres.prepare()
            with (self._postgres.directory / "postgresql.conf").open("a") as configuration:
                configuration.write("fsync = off\nfull_page_writes = off\n")  # as `servers.NOT_DURABLE`
            if tables or prepared:
                with servers.running_postgres(self._postgres), servers.running_redis(self.folder) as redis:
                    self._fill({"DATA_DIR": str(self.folder), "REDIS_URL": redis.url}, prepared)
            self._done.touch()
        except BaseException:
            self._failed.write_text(traceback.format_exc())
            raise

    def wait(self) -> None:
        """Wait until it is made."""
        embedded.wait_until(lambda: self._done.exists() or self._failed.exists(), "The seed")
        assert self._done.exists(), self._failed.read_text()

    def copy_to(self, folder: Path) -> None:
        """Have `folder` begin with the cluster and its password, if it has none of its own."""
        self.wait()
        if (folder / "postgres").exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._copy(self._postgres.password_file, folder)
        self._copy(self._postgres.directory, folder)

    def copy_static_files_to(self, folder: Path) -> None:
        """Have an installation in `folder` find its static files collected."""
        self.wait()
        if self.static.exists() and not (folder / "static").exists():
            self._copy(self.static, folder)
            self._copy(self._collected, folder)

    @staticmethod
    def _copy(source: Path, folder: Path) -> None:
        subprocess.run(["cp", "-Rp", str(source), str(folder)], check=True)

    def _fill(self, folders: dict[str, str], prepared: bool) -> None:
        server = self._postgres.url.rsplit("/", 1)[0]
        environment = os.environ | folders | {"ADMIN_PASSWORD": PASSWORD}
        with ThreadPoolExecutor(1) as pool:
            files = pool.submit(manage, environment, "prepare_files") if prepared else None  # no server is needed
            manage(environment | {"DATABASE_URL": self._postgres.url}, "migrate", "-v0")
            with psycopg.connect(f"{server}/template1", autocommit=True) as admin:
                for name in (MIGRATED, PREPARED):
                    admin.execute(f"CREATE DATABASE {name} TEMPLATE postgres")
            if files is not None:
                files.result()
                self._token.write_text(prepare(environment | {"DATABASE_URL": f"{server}/{PREPARED}"}))


def manage(environment: dict[str, str], *words: str) -> str:
    """Run a management command. Returns what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare(environment: dict[str, str]) -> str:
    """Make the first admin and load the samples. Returns the admin's API token."""
    return manage(environment, "prepare").split("API token ")[1].split()[0]


if __name__ == "__main__":
    Seed(Path(sys.argv[1])).make()

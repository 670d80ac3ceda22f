"""`manage.py up`: everything that the platform is, under one supervisor, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workflow_platform import supervision
from workflow_platform.embedded import Postgres, Redis, ServerDidNotStart, free_port, wait_until


class Command(BaseCommand):
    help = "Set everything up and run it: servers, migrations, first admin, samples, web, workers, scheduler."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        port, data = settings.PORT, settings.DATA_DIR
        self._claim_port(port)
        (data / "logs").mkdir(parents=True, exist_ok=True)
        postgres = None if os.environ.get("DATABASE_URL") else Postgres(data / "postgres", free_port())
        redis = None if os.environ.get("REDIS_URL") else Redis(free_port())
        if postgres is not None:
            postgres.prepare()
        environment = {
            "DATABASE_URL": postgres.url if postgres else settings.DATABASE_URL,
            "REDIS_URL": redis.url if redis else settings.REDIS_URL,
            "SECRET_KEY": os.environ.get("SECRET_KEY") or _secret_key(data / "secret_key"),
            "DATA_DIR": str(data),
        }
        programs = supervision.servers(postgres, redis)
        supervisor = None
        try:
            # The servers first, alone: the rest needs the tables.
            if programs:
                supervisor = self._start(data, programs, environment)
                for server in (postgres, redis):
                    if server is not None:
                        wait_until(server.ready, type(server).__name__)
            self._prepare(environment)
            programs += supervision.processes(port, settings.PERF_MIN_WORKERS)
            if supervisor is None:
                supervisor = self._start(data, programs, environment)
            else:
                self._configure(data, programs, environment)
                self._control(data, "update")
            wait_until(lambda: _ready(port), "The platform")
            self.stdout.write(self.style.SUCCESS(f"\n  Running at http://127.0.0.1:{port}/"))
            self.stdout.write(f"  Logs in {data}/logs. Ctrl-C stops everything.\n")
            supervisor.wait()
        except ServerDidNotStart as error:
            raise CommandError(f"{error} See {data}/logs.") from None
        except KeyboardInterrupt:
            self.stdout.write("\nStopping…")
        finally:
            self._stop(supervisor)

    def _claim_port(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise CommandError(f"Port {port} is taken. Free it, or choose another: PORT=8001 make up") from None

    def _configure(self, data: Path, programs: list[supervision.Program], environment: dict[str, str]) -> Path:
        path = data / "supervisord.conf"
        path.touch(mode=0o600)
        path.write_text(supervision.configuration(data, programs, environment))
        return path

    def _start(
        self, data: Path, programs: list[supervision.Program], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        signal.signal(signal.SIGTERM, _interrupt)
        path = self._configure(data, programs, environment)
        # A session of its own: Ctrl-C reaches us, and we stop it in order.
        command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-n", "-c", str(path)]
        return subprocess.Popen(command, start_new_session=True)  # noqa: S603

    def _control(self, data: Path, *words: str) -> None:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "supervisor.supervisorctl",
            "-c",
            str(data / "supervisord.conf"),
        ]
        subprocess.run([*command, *words], check=True, capture_output=True)  # noqa: S603

    def _prepare(self, environment: dict[str, str]) -> None:
        for words in (
            ["check"],
            ["migrate", "-v0"],
            ["collectstatic", "--noinput", "-v0"],
            ["first_start"],
            ["load_samples"],
        ):
            done = subprocess.run(  # noqa: S603
                [sys.executable, supervision.MANAGE, *words], env=os.environ | environment, check=False
            )
            if done.returncode:
                raise CommandError(f"`manage.py {words[0]}` failed; see above.")

    def _stop(self, supervisor: subprocess.Popen[bytes] | None) -> None:
        if supervisor is not None and supervisor.poll() is None:
            supervisor.terminate()
            supervisor.wait()
            self.stdout.write("Stopped.")


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _secret_key(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False

"""`manage.py up`: runs the whole platform under one supervisor until Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workflow_platform.installation import data_folder, supervision
from workflow_platform.installation.embedded import (
    EmbeddedPostgres,
    EmbeddedRedis,
    ServerDidNotStart,
    free_port,
    wait_until,
)
from workflow_platform.installation.log_view import LogView
from workflow_platform.installation.pdeathsig import tie

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Sends requests to this machine directly, even if the environment configures a proxy."""


class Command(BaseCommand):
    help = "Set up and run everything: servers, migrations, first admin, samples, web, workers and scheduler."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.data: Path = settings.DATA_DIR
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.running: subprocess.Popen[bytes] | None = None
        self.logs: LogView | None = None
        os.umask(0o077)  # for all files from here on, also those of our programs
        self._claim_folder()
        self.environment = {
            "SECRET_KEY": os.environ.get("SECRET_KEY") or _secret_key(self.data / "secret_key"),
            "DATA_DIR": str(self.data),
        }
        self._claim_port()
        self._manage("prepare_files")  # checks the settings first
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` means it
                signal.signal(number, _interrupt)
        try:
            self._run()
        except ServerDidNotStart as error:
            raise CommandError(f"{error} See {self.data}/logs.") from None
        except KeyboardInterrupt:
            self.stdout.write("\nStopping…")
        finally:
            for number in STOP_SIGNALS:  # a second Ctrl-C must not leave processes behind
                signal.signal(number, signal.SIG_IGN)
            self._stop()

    def _run(self) -> None:
        postgres = None if os.environ.get("DATABASE_URL") else EmbeddedPostgres(self.data / "postgres", free_port())
        elsewhere = os.environ.get("REDIS_URL") or settings.REDIS_SENTINELS
        redis = None if elsewhere else EmbeddedRedis(self.data / "redis", free_port())
        embedded = [server for server in (postgres, redis) if server is not None]
        for server in embedded:
            server.prepare()
        self.environment["DATABASE_URL"] = postgres.url if postgres else settings.DATABASE_URL
        self.environment["REDIS_URL"] = redis.url if redis else settings.REDIS_URL
        # From the start: a program whose environment changes is restarted.
        self.environment["SUPERVISOR_SOCKET"] = str(supervision.control_socket(self.data))
        # Start the servers first: the other programs need the tables.
        servers = supervision.servers(postgres, redis)
        self._configure(servers)
        self._start()
        for server in embedded:
            wait_until(server.ready, type(server).__name__)
        self._manage("prepare")
        least, most = settings.PERF_MIN_WORKERS, settings.PERF_MAX_WORKERS
        self._configure(servers + supervision.processes(settings.HOST, settings.PORT, least, spare=most - least))
        self._control("update")
        wait_until(self._ready, "The platform")
        self.stdout.write(self.style.SUCCESS(f"\n  Running at {self._url()}/"))
        self.stdout.write(f"  Logs are in {self.data}/logs. Press Ctrl-C to stop.\n")
        self.logs = LogView(self.data / "logs", log_format=settings.LOG_FORMAT)
        self.logs.start()
        assert self.supervisor is not None
        code = self.supervisor.wait()
        raise CommandError(
            f"The supervisor ended unexpectedly with exit code {code}. See {self.data}/logs/supervisord.log."
        )

    # --- what only one process may hold -----------------------------------------------------------------------------

    def _claim_folder(self) -> None:
        try:
            (self.data / "logs").mkdir(parents=True, exist_ok=True)
            # The supervisor keeps it open too: the folder is free when the last process has ended.
            self.lock = os.open(self.data / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CommandError(f"DATA_DIR: {error}") from None
        for path in data_folder.close_to_others(self.data):
            self.stderr.write(
                f"Cannot protect {path}: another user owns it. Other users of this machine may be able to read it."
            )
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"The platform is already running with {self.data} (DATA_DIR), or is still stopping."
            ) from None

    def _claim_port(self) -> None:
        family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.HOST, settings.PORT))
            except socket.gaierror as error:
                raise CommandError(f"HOST {settings.HOST!r} is not an address of this machine: {error}.") from None
            except PermissionError as error:
                raise CommandError(f"PORT {settings.PORT}: {error}") from None
            except OSError as error:
                raise CommandError(
                    f"Port {settings.PORT} is in use ({error.strerror}). Free it, or use another: PORT=8001 make up"
                ) from None

    # --- the supervisor --------------------------------------------------------------------------------------------

    def _configure(self, programs: list[supervision.Program]) -> None:
        path = self.data / "supervisord.conf"
        path.touch(mode=0o600)
        path.write_text(supervision.configuration(self.data, programs, self.environment))

    def _start(self) -> None:
        socket_path = supervision.control_socket(self.data)
        socket_path.unlink(missing_ok=True)  # left by one that was killed
        # In a separate session: Ctrl-C reaches only this process, which stops the supervisor in order. If this process
        # is killed, the supervisor stops too.
        self.supervisor = subprocess.Popen(  # noqa: S603
            [
                *_python("workflow_platform.installation.supervisor_process"),
                "-n",
                "-c",
                str(self.data / "supervisord.conf"),
            ],
            cwd=settings.BASE_DIR,
            start_new_session=True,
            pass_fds=[self.lock],
            preexec_fn=lambda: tie(signal.SIGTERM),
        )
        wait_until(lambda: self._wake() or self._ended(), "The supervisor", 10)

    def _ended(self) -> bool:
        return self.supervisor is not None and self.supervisor.poll() is not None

    def _wake(self) -> bool:
        """Make the supervisor check its programs now instead of within a second. Returns whether it responds."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(supervision.control_socket(self.data)))
        except OSError:
            return False
        return True

    def _control(self, *words: str) -> None:
        command = [*_python("supervisor.supervisorctl"), "-c", str(self.data / "supervisord.conf"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise CommandError(f"supervisorctl {words[0]}: {done.stdout}{done.stderr}")

    def _stop(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait()
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.terminate()
            while not self._ended():
                self._wake()  # programs stop one after the other: without this each takes a second
                time.sleep(0.05)
        if self.logs is not None:
            self.logs.stop()
        self.stdout.write("Stopped.")

    # --- the rest --------------------------------------------------------------------------------------------------

    def _manage(self, command: str) -> None:
        words = [sys.executable, supervision.MANAGE, command]
        self.running = subprocess.Popen(words, env=os.environ | self.environment)  # noqa: S603
        if self.running.wait():
            raise CommandError(f"`manage.py {command}` failed. See the output above.")

    def _url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared only
        return f"http://{host}:{settings.PORT}"

    def _ready(self) -> bool:
        # Probes may name an address as the host, whatever ALLOWED_HOSTS says.
        request = urllib.request.Request(f"{self._url()}/readyz", headers={"Host": "127.0.0.1"})  # noqa: S310
        try:
            with DIRECTLY.open(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # URLError and HTTPError are
            return False


def _python(module: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", module]


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _secret_key(path: Path) -> str:
    if not path.exists() or not path.read_text():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()

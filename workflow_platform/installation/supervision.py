"""The configuration of `supervisor`, which restarts every process of the platform that dies."""

from __future__ import annotations

import hashlib
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from executions.admission.live_workers import WORKER_TTL_SECONDS
from executions.workers.autoscaling import SPARE, WORKER
from workflow_platform.installation.embedded import EmbeddedPostgres, EmbeddedRedis, server_user

HERE = Path(__file__).resolve().parent
MANAGE = str(HERE.parents[1] / "manage.py")
PDEATHSIG = str(HERE / "pdeathsig.py")
SOCKET_PATH_MAX = 90
"""The system's limit is 104 or 108, and supervisor adds its process number."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program under supervision. Lower priorities start first and stop last."""

    name: str
    command: list[str]
    priority: int
    count: int = 1
    user: str | None = None
    stop_signal: str = "TERM"
    autostart: bool = True


def servers(postgres: EmbeddedPostgres | None, redis: EmbeddedRedis | None) -> list[Program]:
    """Return the embedded servers that are used."""
    programs = []
    if postgres is not None:
        # INT: PostgreSQL's fast shutdown, which does not wait for clients to leave.
        programs.append(Program("postgres", postgres.command, 10, user=server_user(), stop_signal="INT"))
    if redis is not None:
        programs.append(Program("redis", redis.command, 20))
    return programs


def processes(host: str, port: int, workers: int, spare: int = 0) -> list[Program]:
    """Return the processes of the platform itself; `spare` workers more are started when they are needed."""
    manage = [sys.executable, MANAGE]
    pings = [settings.WS_PING_INTERVAL, settings.WS_PONG_TIMEOUT]  # Daphne counts in whole seconds
    every, patience = (str(max(1, round(milliseconds / 1000))) for milliseconds in pings)
    web = ["workflow_platform.web", "-b", host, "-p", str(port), "--websocket_timeout", "-1", "--no-server-name"]
    web += ["-v", "0", "--ping-interval", every, "--ping-timeout", patience]
    largest = str(settings.WS_MAX_FRAME_BYTES)
    web += ["--websocket-max-message-size", largest, "--websocket-max-frame-size", largest]
    worker = ["rqworker", "high", "default", "low", "--worker-class", "executions.workers.worker.ExecutionWorker"]
    # `prepare` has made the system checks, which load all addresses of the platform.
    unchecked = ["--skip-checks"]
    worker = [*manage, *worker, "--worker-ttl", str(WORKER_TTL_SECONDS), *unchecked]
    more = [Program(SPARE, worker, 40, count=spare, autostart=False)] if spare else []
    return [
        Program("scheduler", [*manage, "run_scheduler", *unchecked], 30),
        Program(WORKER, worker, 40, count=workers),
        *more,
        Program("web", [sys.executable, "-m", *web, "workflow_platform.asgi:application"], 50),
    ]


def control_socket(directory: Path) -> Path:
    """Return the path of the supervisor's socket: in the data directory, unless the path is too long."""
    path = directory / "supervisor.sock"
    if len(str(path)) < SOCKET_PATH_MAX:
        return path
    return Path(tempfile.gettempdir()) / f"wfp-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.sock"


def _tied(program: Program) -> list[str]:
    # If the supervisor is killed, its programs stop too, so that a new one can use the ports and the data.
    return [sys.executable, "-ES", PDEATHSIG, program.stop_signal, program.user or "", *program.command]


def configuration(directory: Path, programs: list[Program], environment: Mapping[str, str]) -> str:
    """Return the supervisord.conf; logs go to `directory`/logs."""
    values = ",".join(f'{name}="{value.replace("%", "%%")}"' for name, value in environment.items())
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "silent=true",
        f"logfile={directory}/logs/supervisord.log",
        f"pidfile={directory}/supervisord.pid",
        f"childlogdir={directory}/logs",
        f"environment={values}",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "[unix_http_server]",
        f"file={control_socket(directory)}",
        "chmod=0600",
        "[supervisorctl]",
        f"serverurl=unix://{control_socket(directory)}",
    ]
    for program in programs:
        lines += [
            f"[program:{program.name}]",
            f"command={shlex.join(_tied(program)).replace('%', '%%')}",
            f"directory={Path(MANAGE).parent}",
            f"priority={program.priority}",
            f"numprocs={program.count}",
            f"process_name={program.name}{'-%(process_num)d' if program.count > 1 else ''}",
            f"autostart={str(program.autostart).lower()}",
            "autorestart=true",
            "startretries=1000",
            "startsecs=1",
            "stopwaitsecs=20",
            f"stopsignal={program.stop_signal}",
            "redirect_stderr=true",
            f"stdout_logfile={directory}/logs/%(program_name)s-%(process_num)d.log",
        ]
    return "\n".join(lines) + "\n"

"""Servers of an installation that freeze or stop, and one request of every kind to see what is answered meanwhile."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.installation import Installation
from tests.workflows import node
from workflow_platform.installation.embedded import wait_until

PASSWORD = "a-password-for-tests"
SHORT = {"name": "Short", "nodes": [node("start", "manual_trigger")], "edges": []}
RESTARTING = 1012
Ask = Callable[[], int]
"""Makes a request; returns the status, or the code that a WebSocket was closed with."""


@contextmanager
def frozen(platform: Installation, kind: str) -> Iterator[None]:
    """Freeze a server: its connections stay open, new ones are accepted by the kernel, and nothing is answered."""
    (server,) = platform.processes(kind)
    try:
        for _ in range(2):  # the second time for processes that were born meanwhile
            for process in (server, *server.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
        yield
    finally:
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def stopped(platform: Installation, kind: str) -> Iterator[None]:
    """Stop a server: connections are closed, new ones are refused."""
    _control(platform, "stop", kind)
    try:
        yield
    finally:
        _control(platform, "start", kind)


def _control(platform: Installation, *words: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisorctl"]
    subprocess.run([*command, "-c", str(platform.folder / "supervisord.conf"), *words], check=True, capture_output=True)


OUTAGES = {"frozen": frozen, "stopped": stopped}


def wait_until_ready(platform: Installation) -> None:
    """Wait until all servers are back, and workers."""
    wait_until(platform.ready, "The platform", 120)


class Callers:
    """Somebody who is logged in, a program with a token, and a stranger who calls a webhook."""

    def __init__(self, platform: Installation) -> None:
        self.platform = platform
        self.person = _logged_in(platform)
        hook = node("hook", "webhook_trigger", path="outages", respond="immediately")
        platform.create_workflow({"name": "Hook", "active": True, "nodes": [hook], "edges": []})
        self.workflow = platform.create_workflow(SHORT)

    def kinds(self) -> dict[str, Ask]:
        """Return requests of every kind that needs the database, by name."""
        login = {"username": "admin", "password": PASSWORD}
        return {
            "list": lambda: self.program("GET", "/api/workflows/"),
            "create": lambda: self.program("POST", "/api/workflows/", json=SHORT),
            "execute": self.execute,
            "history": lambda: self.program("GET", "/api/events/"),
            "log in for a token": lambda: self.stranger("POST", "/api/auth/token/", json=login),
            "hook": lambda: self.stranger("POST", "/hooks/outages", json={}),
            "no hook": lambda: self.stranger("POST", "/hooks/nothing", json={}),
            "server-sent events": lambda: self.program("GET", "/api/events/stream/?stream=executions"),
            "page": lambda: self.opened("/workflows/"),
            "admin": lambda: self.opened("/admin/"),
            "queues": lambda: self.opened("/admin/rq/"),
            "metrics": lambda: self.stranger("GET", "/metrics"),
            "readiness": lambda: self.stranger("GET", "/readyz"),
            "WebSocket": self.socket,
        }

    def execute(self) -> int:
        """Start an execution."""
        return self.program("POST", f"/api/workflows/{self.workflow}/execute/", json={})

    def program(self, method: str, path: str, **kwargs: object) -> int:
        """Ask with a token."""
        return self._status(method, path, headers={"Authorization": f"Bearer {self.platform.token}"}, **kwargs)

    def stranger(self, method: str, path: str, **kwargs: object) -> int:
        """Ask without any proof."""
        return self._status(method, path, **kwargs)

    def opened(self, path: str) -> int:
        """Open a page."""
        return self._status("GET", path, cookies=self.person)

    def socket(self) -> int:
        """Open a WebSocket and ask for an answer: 0 if there is one."""
        headers = {"Authorization": f"Bearer {self.platform.token}"}
        with connect(self.platform.ws_url, additional_headers=headers, open_timeout=60) as socket:
            try:
                socket.send('{"type": "ping"}')
                socket.recv(timeout=60)
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else -1
            return 0

    def _status(self, method: str, path: str, **kwargs: object) -> int:
        url = self.platform.url + path
        with requests.request(method, url, timeout=60, stream=True, allow_redirects=False, **kwargs) as answer:  # type: ignore[arg-type]
            if answer.status_code == 503 and path != "/readyz":
                assert answer.headers["Retry-After"], path
                program = path.startswith(("/api/", "/hooks/"))
                assert answer.headers["Content-Type"].startswith("application/problem+json" if program else "text/html")
            return answer.status_code


def _logged_in(platform: Installation) -> dict[str, str]:
    """Return the cookies of somebody who has logged in."""
    session = requests.Session()
    page = session.get(f"{platform.url}/login/", timeout=60).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    answer = session.post(f"{platform.url}/login/", data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 302
    return dict(session.cookies)

"""A web process that is told to stop: it takes no more, answers what was asked, and is gone soon."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.answering import answering
from tests.recovery.watchers import gated
from tests.sites import Site
from workflow_platform.embedded import wait_until


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_what_was_asked_is_answered_before_the_process_ends(hurt: Site) -> None:
    web = hurt.web()
    with answering() as server, ThreadPoolExecutor() as beside:
        path = f"/api/workflows/{gated(hurt, server.url, 1)}/execute/"
        asked = beside.submit(hurt.request, "POST", path, json={"wait": 20})
        wait_until(lambda: len(server.asked) == 1, "The execution", 20)
        web.send(signal.SIGTERM)
        wait_until(lambda: refuses(web.port), "The end of listening", 5)
        server.open("gate0")
        answer = asked.result(20)
        assert web.running is not None
        assert web.running.wait(10) == 0
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


def test_a_process_ends_whatever_its_requests_wait_for(hurt: Site) -> None:
    web = hurt.web()
    with answering() as server, ThreadPoolExecutor() as beside:
        path = f"/api/workflows/{gated(hurt, server.url, 1)}/execute/"
        asked = beside.submit(hurt.request, "POST", path, json={"wait": 60})
        wait_until(lambda: len(server.asked) == 1, "The execution", 20)
        web.send(signal.SIGTERM)
        assert web.running is not None
        assert web.running.wait(15) == 0  # before the supervisor loses patience
        assert asked.exception(20) is not None

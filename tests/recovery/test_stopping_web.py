"""A web process that is told to stop: it takes no more, answers what was asked, and is gone soon."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import Future, ThreadPoolExecutor

import requests

from tests.answering import answering
from tests.recovery.watchers import gated
from tests.sites import Site, Web
from workflow_platform.installation.embedded import wait_until


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_what_was_asked_is_answered_and_what_takes_too_long_is_given_up(hurt: Site) -> None:
    with answering() as server, ThreadPoolExecutor() as beside:
        patient, hopeless = beside.map(lambda _: hurt.web(), range(2))

        def ask(web: Web, gate: str) -> Future[requests.Response]:
            path = f"/api/workflows/{gated(hurt, server.url + gate, 1)}/execute/"
            return beside.submit(requests.post, web.url + path, json={"wait": 50}, headers=hurt.headers, timeout=240)

        answered, given_up = ask(patient, "one-"), ask(hopeless, "other-")
        wait_until(lambda: len(server.asked) == 2, "The executions")
        for web in (patient, hopeless):
            web.send(signal.SIGTERM)
        wait_until(lambda: refuses(patient.port) and refuses(hopeless.port), "The end of listening")
        server.open("one-gate0")
        answer = answered.result(60)
        assert given_up.exception(60) is not None
        codes = [web.running.wait(60) for web in (patient, hopeless) if web.running]
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert codes == [0, 0]

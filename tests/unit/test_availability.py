"""When a server counts as lost: its probes decide, not the time that an answer takes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from workflow_platform.core.availability import MOST_GROWTH, Availability, ServerUnavailable
from workflow_platform.installation.embedded import wait_until


class Server:
    """A server that answers probes, refuses them, or leaves them without an answer."""

    def __init__(self) -> None:
        self.probes = 0
        self.refuses = False
        self.silent = threading.Event()
        self.silent.set()
        self.resets = 0

    def probe(self) -> None:
        self.probes += 1
        self.silent.wait()
        if self.refuses:
            raise ConnectionRefusedError("refused")

    def reset(self) -> None:
        self.resets += 1

    def freeze(self) -> None:
        self.silent.clear()

    def thaw(self) -> None:
        self.silent.set()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.refuses = False
    made.thaw()


@pytest.fixture
def known(server: Server) -> Availability:
    return Availability("A server", server.probe, lambda: 0.2, server.reset)


def refuse(server: Server) -> None:
    server.refuses = True


@pytest.mark.parametrize("goes_away", [Server.freeze, refuse], ids=["frozen", "refusing"])
def test_calls_end_when_no_probe_is_answered_and_new_ones_fail_until_one_is(
    server: Server, known: Availability, goes_away: Callable[[Server], None]
) -> None:
    goes_away(server)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiting, other = known.begin(ours), known.begin()
        assert ours.recv(1) == b""
        assert waiting.given_up
        assert other.given_up
    with pytest.raises(ServerUnavailable, match="A server does not answer"):
        known.begin()
    assert not known.answers()
    assert not known.wait(0)
    server.refuses = False
    server.thaw()
    wait_until(lambda: known.wait(0), "The server")
    known.end(known.begin())
    wait_until(lambda: server.resets == 2, "What is to be done anew")


def test_a_call_that_takes_long_goes_on_while_probes_are_answered(server: Server, known: Availability) -> None:
    call = known.begin()
    wait_until(lambda: server.probes >= 5, "Probes")
    assert not call.given_up
    assert not known.lost
    known.end(call)


def test_nothing_is_asked_while_no_call_waits(server: Server, known: Availability) -> None:
    known.end(known.begin())
    wait_until(lambda: not known._watched.is_set(), "The end of the watch")
    asked = server.probes
    assert known.answers()
    assert server.probes == asked + 1


def test_a_call_that_waits_by_design_is_reason_for_fewer_and_fewer_probes(server: Server, known: Availability) -> None:
    patient = known.begin()
    wait_until(lambda: patient.growth == MOST_GROWTH, "Answered probes")
    assert server.probes >= 2
    fresh = known.begin()
    assert fresh.growth == 1  # it is suspect as soon as ever
    wait_until(lambda: fresh.growth > 1, "A probe")
    known.end(fresh)
    known.end(patient)

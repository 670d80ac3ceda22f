"""What clients are told when the web process stops."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from events.streaming import connections as module
from events.streaming.close_codes import RESTARTING
from events.streaming.connections import FAREWELL_SECONDS, Connections, TooManyConnections


class Client:
    """A client's connection that remembers how it ended."""

    def __init__(self, user: int) -> None:
        self.login: Any = None
        self.session: Any = SimpleNamespace(viewer=SimpleNamespace(user=SimpleNamespace(pk=user)))
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def end(self, code: int) -> None:
        self.ended.set_result(code)


class Unheard:
    """A hub that nothing comes from."""

    def __init__(self) -> None:
        self.on_access_changed: set[Any] = set()

    def enter(self) -> None: ...

    def leave(self) -> None: ...


async def test_each_client_is_told_at_a_moment_of_its_own_and_nobody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[tuple[float, float]] = []

    def moment(least: float, most: float) -> float:
        spans.append((least, most))
        return 0.0 if len(spans) == 1 else 3600.0

    monkeypatch.setattr(module.random, "uniform", moment)
    here = Connections(Unheard())  # type: ignore[arg-type]
    clients = [Client(1), Client(2)]
    for client in clients:
        here.enter(client)
    farewell = asyncio.create_task(here.disconnect_all())
    done, waiting = await asyncio.wait([client.ended for client in clients], return_when=asyncio.FIRST_COMPLETED)
    assert ([each.result() for each in done], len(waiting)) == ([RESTARTING], 1)
    assert spans == [(0, FAREWELL_SECONDS)] * 2
    with pytest.raises(TooManyConnections):
        here.enter(Client(3))
    farewell.cancel()
    for client in clients:
        here.leave(client)

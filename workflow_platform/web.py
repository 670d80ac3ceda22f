"""The web process: Daphne, with what streaming needs of a server.

`python -m workflow_platform.web` takes Daphne's own options. Added to Daphne: an application waits while its client
does not read (Daphne's transport would buffer without limit); a client that does not answer a ping is told 4408; when
the process is told to stop, clients are asked to come back elsewhere (1012) before their connections go.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from typing import Any

import daphne.server
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from daphne.cli import CommandLineInterface
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from twisted.internet import defer, reactor
from twisted.internet.interfaces import IPushProducer
from zope.interface.declarations import implementer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")

logger = logging.getLogger(__name__)

NO_PONG = 4408
SERVER_CODES = {1011, 1012}
"""An error here; a restart."""
COMPONENT = "web"
GC_THRESHOLDS = (20_000, 20, 20)
FAREWELL_SECONDS = 5.0
"""What clients get at most to be told that the process stops."""


@implementer(IPushProducer)
class Pace:
    """Tells whether a client takes what is sent: its transport pauses us while more than 64 KiB wait."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def pauseProducing(self) -> None:
        """Take nothing more for the moment."""
        self._free.clear()

    def resumeProducing(self) -> None:
        """Go on."""
        self._free.set()

    def stopProducing(self) -> None:
        """The connection is gone: nobody has to wait any more."""
        self._free.set()

    async def wait(self) -> None:
        """Wait until the client has read."""
        if not self._free.is_set():
            await self._free.wait()


class PacedWebSocket(WebSocketProtocol):
    """A WebSocket whose sender can wait for its reader."""

    pace: Pace | None = None
    transport: Any
    maxMessagePayloadSize: int

    def onOpen(self) -> None:
        """Watch the transport's buffer from now on."""
        super().onOpen()
        self.pace = Pace()
        # The HTTP connection that this one was; it would keep the request alive too, a tenth of what a client costs.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.pace, True)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        """Send a message of any size: the limit is on what clients send."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().serverSend(content, binary)
        finally:
            self.maxMessagePayloadSize = limit

    def serverClose(self, code: int | None = None) -> None:
        """Close with a code. Those of servers, autobahn would not let an application send."""
        if code in SERVER_CODES and self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code)
        else:
            super().serverClose(code)

    def onAutoPingTimeout(self) -> None:
        """Say why; the connection goes a second later, whether the client answers or not."""
        self.autoPingTimeoutCall = None
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=NO_PONG)


class PacedFactory(WebSocketFactory):
    """Makes such WebSockets, compressed if the settings say so."""

    protocol = PacedWebSocket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setProtocolOptions(failByDrop=False)  # a client learns what it did wrong: 1009, 1007
        if settings.WS_COMPRESSION:
            self.setProtocolOptions(perMessageCompressionAccept=_accept_deflate)


def _accept_deflate(offers: list[Any]) -> Any:
    """Accept permessage-deflate without memory between messages: a window for each client would cost 300 KiB."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer, no_context_takeover=True, request_no_context_takeover=True)
    return None


class StreamingServer(Server):
    """Daphne's server; `send` of an application returns when its client has taken enough."""

    def run(self) -> None:
        """Serve until told to stop."""
        its_module: Any = daphne.server
        its_module.WebSocketFactory = PacedFactory  # Daphne has no other way to name it
        twisted_reactor: Any = reactor
        twisted_reactor.callWhenRunning(self._say_hello)
        twisted_reactor.addSystemEventTrigger("before", "shutdown", self._say_farewell)
        _spare_the_collector()
        super().run()

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Hand a message of an application to its client."""
        kind = message["type"]
        if kind == "websocket.send":
            await super().handle_reply(protocol, message)
            if (pace := protocol.pace) is not None:
                await pace.wait()
        elif kind == "http.response.body":
            await self._send_body(protocol, message)
        else:
            await super().handle_reply(protocol, message)

    async def _send_body(self, request: Any, message: Any) -> None:
        more, gone = message.get("more_body", False), request.finished or request.channel is None
        pace = getattr(request, "pace", None)
        if more and pace is None and not gone:
            pace = request.pace = Pace()
            request.registerProducer(pace, True)
        if not more and pace is not None and not gone:
            request.unregisterProducer()
        await super().handle_reply(request, message)
        if more and pace is not None:
            await pace.wait()

    def _say_hello(self) -> None:
        from events import system

        system.started(COMPONENT)

    def _say_farewell(self) -> Any:
        from events import system
        from events.presence import presence

        async def say() -> None:
            try:
                await asyncio.wait_for(presence().say_farewell(), FAREWELL_SECONDS)
            except Exception:
                logger.exception("clients were not told that the process stops")
            await asyncio.to_thread(system.stopped, COMPONENT)

        for listener in self.listeners:
            listener.addCallback(lambda port: port.stopListening())
        return defer.Deferred.fromFuture(asyncio.ensure_future(say()))


def _spare_the_collector() -> None:
    """Have Python's garbage collector pass over what is there for good, and look less often at the rest.

    A thousand clients that come at once made it stop the process for most of a second, several times.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class WebCommand(CommandLineInterface):
    """Daphne's command line, for this server."""

    server_class = StreamingServer


if __name__ == "__main__":
    # Under its real name: else the module would exist twice.
    from workflow_platform.web import WebCommand as _Command

    _Command().run(sys.argv[1:])

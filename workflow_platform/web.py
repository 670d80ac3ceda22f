"""The web process: Daphne, with what streaming needs of a server.

`python -m workflow_platform.web` takes Daphne's own options. Added to Daphne: an application waits while its client
does not read (Daphne's transport would buffer without limit); bodies of requests reach it as they come
(`http_channel`); a client that does not answer a ping is told 4408; when the process is told to stop, clients are asked
to come back elsewhere (1012) before their connections go.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
from functools import partial
from typing import Any

import daphne.server
from autobahn.exception import Disconnected
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from daphne.cli import CommandLineInterface
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from twisted.internet import defer, reactor
from twisted.internet.interfaces import IPushProducer
from zope.interface.declarations import implementer

from workflow_platform.core.availability import serve_requests
from workflow_platform.serving.http_channel import RequestInput, StreamingHTTPFactory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")

logger = logging.getLogger(__name__)

NO_PONG = 4408
COMPONENT = "web"
GC_THRESHOLDS = (20_000, 20, 20)
FAREWELL_SECONDS = 5.0
"""What clients get at most to be told that the process stops."""
DRAIN_SECONDS, CANCEL_SECONDS = 5.0, 2.0
"""What requests get at most to be answered before the process stops, and then to be given up."""
EXIT_SECONDS = 2.0
"""After that the process ends, whatever thread still waits for something."""


@implementer(IPushProducer)
class ResponsePace:
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

    pace: ResponsePace | None = None
    transport: Any
    maxMessagePayloadSize: int

    def onOpen(self) -> None:
        """Watch the transport's buffer from now on."""
        super().onOpen()
        self.pace = ResponsePace()
        self.transport.unregisterProducer()  # the HTTP channel, which has handed the connection over
        self.transport.registerProducer(self.pace, True)

    def sendMessage(self, payload: bytes, *args: Any, **kwargs: Any) -> None:
        """Send a message of any size: the limit is for what clients send, and Autobahn would hold us to it too."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(payload, *args, **kwargs)
        finally:
            self.maxMessagePayloadSize = limit

    def serverClose(self, code: int | None = None) -> None:
        """Close with any code: Daphne's way refuses 1011 and 1012, which a server may say."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code or 1000)

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
    """Accept permessage-deflate. Autobahn keeps a compressor for each client: some 230 KiB (docs/benchmarks.md)."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer, no_context_takeover=True, request_no_context_takeover=True)
    return None


class StreamingServer(Server):
    """Daphne's server; `send` of an application returns when its client has taken enough."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ports: list[Any] = []

    def run(self) -> None:
        """Serve until told to stop."""
        serve_requests()
        its_module: Any = daphne.server
        its_module.WebSocketFactory = PacedFactory  # Daphne has no other way to name them
        its_module.HTTPFactory = StreamingHTTPFactory
        twisted_reactor: Any = reactor
        twisted_reactor.callWhenRunning(self._say_hello)
        _spare_the_collector()
        super().run()
        last = threading.Timer(EXIT_SECONDS, os._exit, [0])
        last.daemon = True
        last.start()

    def listen_success(self, port: Any) -> None:
        """Remember where connections come in."""
        super().listen_success(port)
        self._ports.append(port)

    def create_application(self, protocol: Any, scope: Any) -> Any:
        """Start the application for a request or a WebSocket. Return what it receives from."""
        if scope["type"] != "http":
            return super().create_application(protocol, scope)
        received = RequestInput(protocol)
        scope["asgi"] = {"version": "3.0"}
        application = self.application(scope=scope, receive=received.get, send=partial(self.handle_reply, protocol))
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
        return received

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Hand a message of an application to its client."""
        kind = message["type"]
        if kind == "websocket.send":
            try:
                await super().handle_reply(protocol, message)
            except Disconnected:  # which the application is about to hear
                return
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
            pace = request.pace = ResponsePace()
            request.registerProducer(pace, True)
        if not more and pace is not None and not gone:
            request.unregisterProducer()
        await super().handle_reply(request, message)
        if more and pace is not None:
            await pace.wait()

    def _say_hello(self) -> None:
        from events.bus import system_events  # models: Daphne loads this module before the application sets up Django

        system_events.started(COMPONENT)

    def kill_all_applications(self) -> Any:
        """Take no more, tell clients that the process stops, answer what was asked; what is left then is given up.

        Called by Daphne when it stops; its own way gives everything up at once, and nothing if a connection is idle.
        """
        for port in self._ports:
            port.stopListening()
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        from events.bus import system_events  # as above
        from events.streaming.connections import connections

        try:
            await asyncio.wait_for(connections().say_farewell(), FAREWELL_SECONDS)
        except Exception:
            logger.exception("clients were not told that the process stops")
        await asyncio.to_thread(system_events.stopped, COMPONENT)
        late = await _wait(self._running(), DRAIN_SECONDS)
        for application in late:
            application.cancel()
        if late := await _wait(late, CANCEL_SECONDS):
            logger.warning("%d requests were given up", len(late))

    def _running(self) -> set[asyncio.Future[Any]]:
        found = (details.get("application_instance") for details in self.connections.values())
        return {application for application in found if application is not None and not application.done()}


async def _wait(applications: set[asyncio.Future[Any]], seconds: float) -> set[asyncio.Future[Any]]:
    """Return those that are not done after so long."""
    return (await asyncio.wait(applications, timeout=seconds))[1] if applications else set()


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

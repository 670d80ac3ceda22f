"""The web process: Daphne, with the additions that streaming needs.

`python -m workflow_platform.web` takes Daphne's own options. Added to Daphne: an application waits while its client
does not read (Daphne's transport would buffer without limit); it gets request bodies while they arrive
(`http_channel`); a client that does not answer a ping is closed with 4408; when the process stops, connections are
closed with the code 1012, on which clients reconnect; the access log goes through `settings.LOGGING`.
"""

from __future__ import annotations

import asyncio
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

from events.streaming.close_codes import NO_PONG
from workflow_platform.core import garbage_collection
from workflow_platform.core.availability import serve_requests
from workflow_platform.core.logs import log_context, log_uncaught_exceptions, set_process_fields
from workflow_platform.core.metrics import reporting
from workflow_platform.core.requests.request_ids import REQUEST_ID, request_id_of
from workflow_platform.core.telemetry import sentry
from workflow_platform.serving import access_log
from workflow_platform.serving.http_channel import RequestInput, StreamingHTTPFactory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")

logger = logging.getLogger(__name__)

COMPONENT = "web"
FAREWELL_SECONDS = 5.0
"""The time limit for closing client connections when the process stops."""
DRAIN_SECONDS, CANCEL_SECONDS = 5.0, 2.0
"""The time limit for running requests when the process stops, and then for cancelled ones."""
EXIT_SECONDS = 2.0
"""After this time the process ends, even if a thread still waits."""


@implementer(IPushProducer)
class ResponsePace:
    """Makes a sender wait for its client: the transport pauses it while more than 64 KiB wait."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def pauseProducing(self) -> None:
        """Make senders wait."""
        self._free.clear()

    def resumeProducing(self) -> None:
        """Let senders continue."""
        self._free.set()

    def stopProducing(self) -> None:
        """Let senders continue: the connection is closed."""
        self._free.set()

    async def wait(self) -> None:
        """Wait until the client has read."""
        if not self._free.is_set():
            await self._free.wait()


class PacedWebSocket(WebSocketProtocol):
    """A WebSocket whose sender can wait for its reader."""

    pace: ResponsePace | None = None
    request_id = ""
    transport: Any
    maxMessagePayloadSize: int

    def handle_reply(self, message: Any) -> None:
        """Accept with the response headers of the application, which Daphne leaves out."""
        if message["type"] == "websocket.accept" and message.get("headers"):
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            self.serverAccept((message.get("subprotocol"), headers))
        else:
            super().handle_reply(message)

    def onOpen(self) -> None:
        """Watch the transport's buffer."""
        with log_context(request_id=self.request_id):
            super().onOpen()
        self.pace = ResponsePace()
        self.transport.unregisterProducer()  # the HTTP channel, which has handed the connection over
        self.transport.registerProducer(self.pace, True)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Tell the application, and write the access log, in the context of the request that opened it."""
        with log_context(request_id=self.request_id):
            super().onClose(wasClean, code, reason)

    def sendMessage(self, payload: bytes, *args: Any, **kwargs: Any) -> None:
        """Send a message of any size: the limit is for clients, and Autobahn would apply it to the server too."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(payload, *args, **kwargs)
        finally:
            self.maxMessagePayloadSize = limit

    def serverClose(self, code: int | None = None) -> None:
        """Close with any code: Daphne refuses 1011 and 1012, which a server may send."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code or 1000)

    def onAutoPingTimeout(self) -> None:
        """Close with a code that says why; the connection ends a second later even if the client does not answer."""
        self.autoPingTimeoutCall = None
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=NO_PONG)


class PacedFactory(WebSocketFactory):
    """Creates these WebSockets, with compression if WS_COMPRESSION is set."""

    protocol = PacedWebSocket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setProtocolOptions(failByDrop=False)  # a client gets a close code for its mistake: 1009, 1007
        if settings.WS_COMPRESSION:
            self.setProtocolOptions(perMessageCompressionAccept=_accept_deflate)


def _accept_deflate(offers: list[Any]) -> Any:
    """Accept permessage-deflate. Autobahn keeps a compressor for each client, about 230 KiB (docs/benchmarks.md)."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer, no_context_takeover=True, request_no_context_takeover=True)
    return None


class StreamingServer(Server):
    """Daphne's server; `send` of an application returns when its client has read enough."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Daphne's access log (`verbosity`) would write to standard output in a different format.
        self.action_logger = access_log.log_action if settings.ACCESS_LOG or self.action_logger else None
        self._ports: list[Any] = []

    def run(self) -> None:
        """Serve until the process gets a signal to stop."""
        serve_requests()
        its_module: Any = daphne.server
        its_module.WebSocketFactory = PacedFactory  # Daphne has no other way to name them
        its_module.HTTPFactory = StreamingHTTPFactory
        twisted_reactor: Any = reactor
        twisted_reactor.callWhenRunning(self._report_start)
        garbage_collection.spare_long_lived_objects()
        super().run()
        last = threading.Timer(EXIT_SECONDS, os._exit, [0])
        last.daemon = True
        last.start()

    def listen_success(self, port: Any) -> None:
        """Remember the ports, to close them first when the process stops."""
        super().listen_success(port)
        self._ports.append(port)

    def create_application(self, protocol: Any, scope: Any) -> Any:
        """Start the application for a request or a WebSocket. Return what it receives from."""
        if scope["type"] != "http":
            protocol.request_id = scope[REQUEST_ID] = request_id_of(scope["headers"])
            return super().create_application(protocol, scope)
        received = RequestInput(protocol)
        scope["asgi"] = {"version": "3.0"}
        application = self.application(scope=scope, receive=received.get, send=partial(self.handle_reply, protocol))
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
        return received

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Pass a message of an application to its client."""
        kind = message["type"]
        if kind == "websocket.send":
            try:
                await super().handle_reply(protocol, message)
            except Disconnected:  # the application is notified separately
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

    def _report_start(self) -> None:
        from events.bus import system_events  # models: Daphne loads this module before the application sets up Django

        system_events.started(COMPONENT)
        reporting.start("web")

    def kill_all_applications(self) -> Any:
        """Accept no more connections, tell clients to reconnect, finish running requests, then cancel the rest.

        Called by Daphne when it stops; its own method cancels everything at once, or nothing if a connection is idle.
        """
        for port in self._ports:
            port.stopListening()
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        from events.bus import system_events  # as above
        from events.streaming.connections import connections

        try:
            await asyncio.wait_for(connections().disconnect_all(), FAREWELL_SECONDS)
        except Exception:
            logger.exception("clients were not told to reconnect; their connections are cut when the process ends")
        await asyncio.to_thread(system_events.stopped, COMPONENT)
        late = await _wait(self._running(), DRAIN_SECONDS)
        for application in late:
            application.cancel()
        if late := await _wait(late, CANCEL_SECONDS):
            logger.warning(
                "%d requests did not end in time; the process stops without their responses",
                len(late),
                extra={"count": len(late)},
            )

    def _running(self) -> set[asyncio.Future[Any]]:
        applications = (details.get("application_instance") for details in self.connections.values())
        return {application for application in applications if application is not None and not application.done()}


async def _wait(applications: set[asyncio.Future[Any]], seconds: float) -> set[asyncio.Future[Any]]:
    """Return the applications that have not ended after `seconds`."""
    return (await asyncio.wait(applications, timeout=seconds))[1] if applications else set()


class WebCommand(CommandLineInterface):
    """Daphne's command line, for this server."""

    server_class = StreamingServer

    def run(self, args: Any) -> None:
        """Read the arguments and serve."""
        set_process_fields(COMPONENT)
        sentry.start(COMPONENT)
        log_uncaught_exceptions()
        super().run(args)


if __name__ == "__main__":
    garbage_collection.pause_while_loading()
    # Under its real name: otherwise the module would exist twice.
    from workflow_platform.web import WebCommand as _Command

    _Command().run(sys.argv[1:])

"""One connection, from its handshake to its end, and the permanent errors."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from events.client.frames import EventClientError
from events.client.subscription import Forbidden, NoSuchStream, Refused

MAX_FRAME_BYTES = 64 * 1024 * 1024


class NotAuthenticated(Refused):
    """The token is missing, wrong or no longer valid."""


_FOR_GOOD: dict[int, tuple[type[Refused], str]] = {
    4401: (NotAuthenticated, "The token is missing, wrong or no longer valid."),
    4403: (Forbidden, "This connection is not allowed."),
    4404: (NoSuchStream, "The stream or address does not exist, or you may not see it."),
}
"""Close codes after which a retry does not help; minus 4000, they are statuses of the handshake."""


async def talk(
    url: str,
    token: str,
    tls: ssl.SSLContext | Literal[True] | None,
    converse: Callable[[ClientConnection], Awaitable[None]],
) -> int | None:
    """Connect, and exchange frames until the connection ends. Returns the code that it was closed with; None if there
    is none.

    Raises permanent errors: Refused, or EventClientError for an untrusted certificate.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with connect(
            url,
            additional_headers=headers,
            ssl=tls,
            max_size=MAX_FRAME_BYTES,
            max_queue=4,
            open_timeout=5,
            close_timeout=1,
            ping_interval=10,
        ) as socket:
            await converse(socket)
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        if code in _FOR_GOOD:
            kind, why = _FOR_GOOD[code]
            raise kind(code, why) from closed
        return code
    except InvalidStatus as refused:
        status = refused.response.status_code
        if 4000 + status in _FOR_GOOD:
            kind, _ = _FOR_GOOD[4000 + status]
            raise kind(status, f"The server responded to the handshake with status {status}.") from refused
    except ssl.SSLCertVerificationError as error:
        raise EventClientError(f"The server's certificate is not trusted: {error.verify_message}") from error
    except (OSError, InvalidHandshake):
        pass  # unreachable, or starting
    return None

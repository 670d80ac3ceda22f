"""A client of the event streams, for programs that are not the platform. Needs `websockets` and `orjson`, not Django.

    async with EventClient("https://platform.example", token=token) as client:
        async for event in client.tail("execution:0198…", after=0):
            print(event["sequence"], event["type"])

Whatever happens to the connection, a tail gives each event once and in sequence, up to the stream's end. Any number of
tails share the client's one connection. On the command line: `python -m events.client tail execution:0198…`.
"""

from events.client.connection import EventClient
from events.client.dialing import NotAuthenticated
from events.client.frames import Event, EventClientError, ProtocolError
from events.client.states import State
from events.client.subscription import (
    Forbidden,
    HistoryRemoved,
    NoSuchStream,
    Refused,
    SequenceGap,
)
from events.client.tail import Tail

__all__ = [
    "Event",
    "EventClient",
    "EventClientError",
    "Forbidden",
    "HistoryRemoved",
    "NoSuchStream",
    "NotAuthenticated",
    "ProtocolError",
    "Refused",
    "SequenceGap",
    "State",
    "Tail",
]

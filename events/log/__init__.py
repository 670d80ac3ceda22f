"""The event log: the tables of streams and events, the only writer (`append`), and the reading of one stream.

Other packages may use everything here; `append` is the one function that writes an event.
"""

from events.log.writer import (
    BadSource,
    NewEvent,
    NotInTransaction,
    StreamClosed,
    add_sink,
    append,
    head,
    open_stream,
    open_streams,
    read_after,
    restore,
)

__all__ = [
    "BadSource",
    "NewEvent",
    "NotInTransaction",
    "StreamClosed",
    "add_sink",
    "append",
    "head",
    "open_stream",
    "open_streams",
    "read_after",
    "restore",
]

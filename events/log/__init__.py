"""The event log: the tables of streams and events, `append`, which is the only writer, and reading of one stream.

Other packages may use everything here.
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
    remove_stream,
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
    "remove_stream",
    "restore",
]

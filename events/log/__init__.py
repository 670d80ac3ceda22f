"""The event log: the tables of streams and events, `append`, which is the only writer, and reading of one stream.

Other packages may use everything here.
"""

from events.log.numbering import NewEvent, NewStream, StreamClosed, reserve_ids
from events.log.writer import (
    BadSource,
    NotInTransaction,
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
    "NewStream",
    "NotInTransaction",
    "StreamClosed",
    "add_sink",
    "append",
    "head",
    "open_stream",
    "open_streams",
    "remove_stream",
    "reserve_ids",
    "restore",
]

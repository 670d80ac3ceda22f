"""An event as it was written: subscribers get it, and every interface shows it as an envelope."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from events.catalogue.event_types import masked_payload
from events.catalogue.stream_names import sequence_field

LIVE: Final = "live"
"""The mode of executions that work for real. Test and debug executions are marked in each of their events."""


@dataclass(slots=True, eq=False)
class RecordedEvent:
    """An immutable fact. `payload` is the JSON text of its data: it is written, published and sent as it is.

    Ids are texts, as the envelope shows them.
    """

    id: str
    type: str
    source: str
    time: str
    """RFC 3339, UTC, microseconds."""
    execution_id: str | None
    workflow_id: str | None
    stream: str
    stream_id: int
    workspace_id: str | None
    sequence: int
    feed_sequence: int | None
    workflow_sequence: int | None
    transaction: int
    payload: str
    mode: str = LIVE
    """The mode of the execution; `live` for other events. Envelopes show it unless it is `live`."""

    @property
    def is_live(self) -> bool:
        """Return whether the event belongs to no test or debug execution."""
        return self.mode == LIVE

    @property
    def data(self) -> dict[str, Any]:
        """Return the event's data."""
        return orjson.loads(self.payload)  # type: ignore[no-any-return]

    @property
    def happened_at(self) -> datetime:
        """Return the event's time."""
        return datetime.fromisoformat(self.time)

    def sequence_in(self, stream_name: str) -> int:
        """Return the sequence in one of the streams that show the event."""
        return getattr(self, sequence_field(stream_name))  # type: ignore[no-any-return]

    def forwarded(self) -> RecordedEvent:
        """Return the event with secrets masked by their names; events from before that rule are masked now."""
        payload = masked_payload(self.type, self.payload)
        return self if payload is self.payload else replace(self, payload=payload)

    def json(self, stream_name: str) -> str:
        """Return the envelope as JSON text, as this stream shows it."""
        execution = f'"{self.execution_id}"' if self.execution_id else "null"
        workflow = f'"{self.workflow_id}"' if self.workflow_id else "null"
        mode = "" if self.is_live else f'"mode":"{self.mode}",'
        return (
            f'{{"id":"{self.id}","type":"{self.type}","source":"{self.source}","stream":"{stream_name}",'
            f'"sequence":{self.sequence_in(stream_name)},"time":"{self.time}","execution_id":{execution},'
            f'"workflow_id":{workflow},{mode}"data":{self.payload}}}'
        )

    def envelope(self, stream_name: str) -> dict[str, Any]:
        """Return the envelope, as this stream shows it."""
        return orjson.loads(self.json(stream_name))  # type: ignore[no-any-return]


def time_text(moment: datetime) -> str:
    """Return a moment as envelopes show it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

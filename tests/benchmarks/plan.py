"""What a writer process is told to write, and who writes when."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Plan:
    """Batches, each one append: some events for each of some streams, which take turns."""

    streams: int
    batches: int
    batches_per_second: float = 0
    """0: as fast as it goes."""
    streams_per_batch: int = 8
    """Divides the number of streams."""
    events_per_stream: int = 25
    mode: str = "persisted"
    """`bare`: not through the log, but straight through the channel layer."""
    varied: bool = False
    """Texts as people write them, for what depends on how well they compress; else one letter many times."""
    held: int = 0
    """Events that the first stream has before anything begins."""

    @classmethod
    def paced(cls, streams: int, events_per_second: int, seconds: float, **further: int) -> Self:
        """Return a plan of so many events per second for so long."""
        size = further.get("streams_per_batch", 8) * further.get("events_per_stream", 25)
        return cls(streams, int(events_per_second * seconds / size), events_per_second / size, **further)  # type: ignore[arg-type]

    @property
    def turns(self) -> int:
        """How many batches it takes until a stream is written to again."""
        return self.streams // self.streams_per_batch

    def expected(self, place: int) -> int:
        """Return how many events the stream at a place of the list gets."""
        rounds, rest = divmod(self.batches, self.turns)
        return (rounds + (place // self.streams_per_batch < rest)) * self.events_per_stream

    def batch_of(self, place: int, n: int) -> int:
        """Return which batch holds the n-th event (from 0) of the stream at a place of the list."""
        return place // self.streams_per_batch + n // self.events_per_stream * self.turns

    def text(self) -> str:
        """Return the plan for a command line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the plan of a command line."""
        return cls(**json.loads(text))

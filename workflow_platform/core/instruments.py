"""Counters, gauges and histograms of this process, declared by the module that measures.

    SENT = Counter("websocket_messages_sent_total", "Frames sent to WebSockets.")
    SENT.add()

All values of labels are declared too, so that a label can never hold an id. An increment takes a lock of its own and
costs less than a microsecond. A child process begins at zero. `core.metrics` adds up the processes.

The bounds of a histogram never change: the counts of processes that have ended would mean something else. Give a
changed one a new name.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import ClassVar

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The bounds of most histograms."""

Labels = Mapping[str, Sequence[str]]
"""The names of labels, with all their values."""
Series = dict[str, list[float]]
"""By the text of a sample, such as `name{kind="node"}`: the value of a counter; of a histogram the sum, then the counts
of the bins."""


class Instrument:
    """Something that this process measures, under a name that occurs once."""

    kind: ClassVar[str]
    declared: ClassVar[dict[str, Instrument]] = {}
    """All instruments, by name."""

    def __init__(self, name: str, help_text: str, labels: Labels | None = None) -> None:
        if name in self.declared:
            raise ValueError(f"{name} is declared twice.")
        self.name, self.help, self.labels = name, help_text, dict(labels or {})
        self.declared[name] = self
        self._start_over()

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    def _start_over(self) -> None:
        """Forget what was measured."""
        self._lock = threading.Lock()
        self._values = {values: self._zero() for values in product(*self.labels.values())}

    def _zero(self) -> list[float]:
        return [0.0]

    def measured(self) -> Iterator[tuple[str, list[float]]]:
        """Yield the series, with copies of their values."""
        with self._lock:
            values = {key: list(numbers) for key, numbers in self._values.items()}
        for key, numbers in values.items():
            yield series_name(self.name, dict(zip(self.labels, key, strict=True))), numbers


class Counter(Instrument):
    """Something that is counted, and never decreases. Its name ends with `_total`."""

    kind = "counter"

    def add(self, amount: float = 1, *labels: str) -> None:
        """Count. Raises KeyError for undeclared values of labels."""
        values = self._values[labels]
        with self._lock:
            values[0] += amount


class Histogram(Instrument):
    """How long something takes, or how large it is: the sum, and how many are in each bin."""

    kind = "histogram"

    def __init__(
        self, name: str, help_text: str, bounds: Sequence[float] = SECONDS, labels: Labels | None = None
    ) -> None:
        self.bounds = tuple(bounds)
        super().__init__(name, help_text, labels)

    def _zero(self) -> list[float]:
        return [0.0] * (len(self.bounds) + 2)

    def observe(self, value: float, *labels: str) -> None:
        """Count a value. Raises KeyError for undeclared values of labels."""
        values = self._values[labels]
        index = bisect_left(self.bounds, value) + 1
        with self._lock:
            values[0] += value
            values[index] += 1


class Gauge(Instrument):
    """What is so now. Of several processes, `/metrics` shows the sum, or with `greatest` the greatest value."""

    kind = "gauge"

    def __init__(self, name: str, help_text: str, labels: Labels | None = None, *, greatest: bool = False) -> None:
        self.greatest = greatest
        super().__init__(name, help_text, labels)

    def _start_over(self) -> None:
        super()._start_over()
        self._readers: dict[tuple[str, ...], Callable[[], float]] = {}
        self._set: set[tuple[str, ...]] = set()

    def add(self, amount: float, *labels: str) -> None:
        """Change the value."""
        values = self._values[labels]
        with self._lock:
            values[0] += amount
            self._set.add(labels)

    def read_from(self, reader: Callable[[], float], *labels: str) -> None:
        """Call `reader` for the value, in the thread that reports."""
        assert labels in self._values
        self._readers[labels] = reader

    def measured(self) -> Iterator[tuple[str, list[float]]]:
        """Yield what this process has set, or reads."""
        for key, reader in list(self._readers.items()):
            value = float(reader())
            with self._lock:
                self._values[key][0] = value
                self._set.add(key)
        shown = {series_name(self.name, dict(zip(self.labels, key, strict=True))) for key in self._set}
        yield from ((series, values) for series, values in super().measured() if series in shown)


def series_name(name: str, labels: Mapping[str, str]) -> str:
    """Return the text of a sample before its value."""
    pairs = ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}" if pairs else name


def escaped(value: str) -> str:
    """Return a label's value as the text format has it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def cumulative() -> Series:
    """Return what the counters and histograms of this process have counted, without those that counted nothing."""
    counting = [each for each in Instrument.declared.values() if not isinstance(each, Gauge)]
    return {series: values for each in counting for series, values in each.measured() if any(values)}


def gauges() -> dict[str, float]:
    """Return the gauges of this process."""
    reading = [each for each in Instrument.declared.values() if isinstance(each, Gauge)]
    return {series: values[0] for each in reading for series, values in each.measured()}


def _start_over() -> None:
    for each in Instrument.declared.values():
        each._start_over()


os.register_at_fork(after_in_child=_start_over)

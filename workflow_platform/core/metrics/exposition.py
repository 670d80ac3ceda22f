"""The metrics in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, product
from typing import Literal

from workflow_platform.core.instruments import Gauge, Histogram, Instrument, Series, series_name
from workflow_platform.core.metrics import store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its samples."""

    name: str
    kind: Kind
    help: str
    samples: list[tuple[str, float]] = field(default_factory=list)
    """The text of each sample before its value, and the value."""

    @classmethod
    def of(cls, name: str, kind: Kind, help_text: str, values: float | Mapping[tuple[str, str], float]) -> Family:
        """Return a metric with one value, or with one for each (label, value of the label)."""
        if isinstance(values, Mapping):
            return cls(name, kind, help_text, [(series_name(name, {k: v}), n) for (k, v), n in values.items()])
        return cls(name, kind, help_text, [(name, values)])

    def add_histogram(self, labels: Mapping[str, str], total: float, counts: Sequence[float], bounds: object) -> None:
        """Add a histogram: the sum of its values, the counts of the bins, and the bounds between them."""
        assert isinstance(bounds, Sequence)
        upper = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        for bound, count in zip(upper, accumulate(counts), strict=True):
            self.samples.append((series_name(f"{self.name}_bucket", {**labels, "le": bound}), count))
        self.samples.append((series_name(f"{self.name}_sum", labels), total))
        self.samples.append((series_name(f"{self.name}_count", labels), sum(counts)))


Collector = Callable[[], Iterable[Family]]
_collectors: list[Collector] = []


def register(collector: Collector) -> None:
    """Show what `collector` computes from rows."""
    _collectors.append(collector)


def families() -> Iterator[Family]:
    """Yield all metrics of the installation."""
    measured = store.measured()
    for instrument in Instrument.declared.values():
        yield _of_instrument(instrument, measured.cumulative, measured.gauges)
    for collector in _collectors:
        yield from collector()


def text(shown: Iterable[Family]) -> str:
    """Return the metrics in the text format."""
    lines = []
    for family in shown:
        lines += [f"# HELP {family.name} {_line(family.help)}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{sample} {_number(value)}" for sample, value in family.samples]
    return "\n".join([*lines, ""])


def _of_instrument(instrument: Instrument, cumulative: Series, gauges: Mapping[str, float] | None) -> Family:
    kind: Kind = "counter"
    if isinstance(instrument, Gauge):
        kind = "gauge"
    elif isinstance(instrument, Histogram):
        kind = "histogram"
    family = Family(instrument.name, kind, instrument.help)
    for key in product(*instrument.labels.values()):
        labels = dict(zip(instrument.labels, key, strict=True))
        series = series_name(instrument.name, labels)
        if isinstance(instrument, Histogram):
            total, *counts = cumulative.get(series) or [0.0] * (len(instrument.bounds) + 2)
            family.add_histogram(labels, total, counts, instrument.bounds)
        elif isinstance(instrument, Gauge):
            if gauges is not None:
                family.samples.append((series, gauges.get(series, 0.0)))
        else:
            family.samples.append((series, cumulative.get(series, [0.0])[0]))
    return family


def _line(help_text: str) -> str:
    return help_text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    return repr(float(value))

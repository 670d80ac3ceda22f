"""Trace contexts (W3C Trace Context), and the ids of spans. Pure.

The id of a span is a hash of what the span is about. So whoever starts a part of a trace knows its id without a lookup,
and a span that is exported twice is the same span.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

HEADER = "traceparent"
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
_STORED = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})-(00|01|)", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A position in a trace: what follows is a child of this span."""

    trace_id: str
    """32 hex digits."""
    span_id: str = ""
    """16 hex digits; empty for a trace that begins here."""
    sampled: bool | None = None
    """Whether the caller records the trace; None: no caller gave a context."""

    @classmethod
    def of_execution(cls, execution_id: UUID) -> TraceContext:
        """Return the context of an execution that nothing else has started: its id is that of the trace."""
        return cls(execution_id.hex)

    def at(self, span_id: str) -> TraceContext:
        """Return the context for what this span of the same trace starts."""
        return TraceContext(self.trace_id, span_id, self.sampled)

    def stored(self) -> str:
        """Return the context as `Execution.trace_parent` has it; `from_stored` reads it."""
        flags = "" if self.sampled is None else f"{int(self.sampled):02x}"
        return f"{self.trace_id}-{self.span_id}-{flags}"

    def traceparent(self, *, sampled: bool) -> str:
        """Return the header for a request of this span."""
        return f"00-{self.trace_id}-{self.span_id}-{int(sampled):02x}"


def parse(traceparent: str | None) -> TraceContext | None:
    """Return the context of a header `traceparent`; None if there is none or it is not valid.

    A later version may have further fields, after a hyphen.
    """
    match = _TRACEPARENT.fullmatch((traceparent or "").strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, further = match.groups()
    if version == "ff" or trace_id == _NO_TRACE or span_id == _NO_SPAN or (version == "00" and further):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def from_stored(text: str) -> TraceContext | None:
    """Return the context that `stored` wrote; None for an empty text."""
    match = _STORED.fullmatch(text)
    if match is None:
        return None
    return TraceContext(match[1], match[2], None if not match[3] else match[3] == "01")


def span_id_of(kind: str, *about: object) -> str:
    """Return the id of the span of this kind about these ids."""
    digest = hashlib.sha256("\n".join([kind, *map(str, about)]).encode()).hexdigest()[:16]
    return digest if digest != _NO_SPAN else "1".zfill(16)


def execution_span(execution_id: UUID | str) -> str:
    """Return the id of the span of a whole execution."""
    return span_id_of("execution", execution_id)


def attempt_span(execution_id: UUID | str, node: str, run_index: int, attempt: int) -> str:
    """Return the id of the span of one attempt of a node run."""
    return span_id_of("attempt", execution_id, node, run_index, attempt)


def delivery_attempt_span(delivery_id: UUID | str, number: int) -> str:
    """Return the id of the span of one attempt of a webhook delivery."""
    return span_id_of("delivery attempt", delivery_id, number)

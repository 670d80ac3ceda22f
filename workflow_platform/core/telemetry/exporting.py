"""Whether traces are exported, which of them, and where to: the settings OTEL_*."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from django.conf import settings

from workflow_platform.core.telemetry.trace_context import TraceContext

SAMPLERS = (
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio", "always_on", "always_off",
    "traceidratio",
)  # fmt: skip
PROTOCOLS = ("http/json", "http/protobuf")
CONTENT_TYPES = {"http/json": "application/json", "http/protobuf": "application/x-protobuf"}
_TRACES_PATH = "/v1/traces"
_PARENT_BASED = "parentbased_"
_RATIO_BITS = 56
"""The random bits of a trace id that decide, as in OpenTelemetry's consistent sampling."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Where traces go. The headers may be secrets: they are sent, and never stored or shown."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    protocol: str
    timeout_seconds: float

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.protocol]


def is_on() -> bool:
    """Return whether traces are exported."""
    return bool(settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or settings.OTEL_EXPORTER_OTLP_ENDPOINT)


def collector() -> Collector | None:
    """Return where traces go; None if they are not exported."""
    if not is_on():
        return None
    base: str = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    return Collector(
        settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or base.rstrip("/") + _TRACES_PATH,
        pairs(settings.OTEL_EXPORTER_OTLP_HEADERS),
        settings.OTEL_EXPORTER_OTLP_PROTOCOL,
        settings.OTEL_EXPORTER_OTLP_TIMEOUT / 1000,
    )


def resource() -> dict[str, str]:
    """Return the attributes of the service, which every batch of spans carries."""
    return pairs(settings.OTEL_RESOURCE_ATTRIBUTES) | {"service.name": settings.OTEL_SERVICE_NAME}


def is_sampled(context: TraceContext) -> bool:
    """Return whether the spans of a trace are exported: the same for all of its spans, and in every process."""
    sampler: str = settings.OTEL_TRACES_SAMPLER
    if sampler.startswith(_PARENT_BASED):
        if context.sampled is not None:
            return context.sampled
        sampler = sampler.removeprefix(_PARENT_BASED)
    if sampler == "traceidratio":
        random = int(context.trace_id, 16) & ((1 << _RATIO_BITS) - 1)
        return random >= (1 - settings.OTEL_TRACES_SAMPLER_ARG) * (1 << _RATIO_BITS)
    return sampler == "always_on"


def outgoing(context: TraceContext, span_id: str) -> str:
    """Return the header `traceparent` for a request that the span makes; empty for none.

    Without export, a caller's context is passed on as it came, so that the receivers stay in the caller's trace. A
    context of our own would tell receivers, whose samplers follow the caller, not to record.
    """
    if is_on():
        return context.at(span_id).traceparent(sampled=is_sampled(context))
    return context.traceparent(sampled=context.sampled) if context.sampled is not None and context.span_id else ""


def pairs(text: str) -> dict[str, str]:
    """Return `name=value,name=value` with its percent escapes decoded, as OpenTelemetry writes headers and attributes.
    Raises ValueError, without the values."""
    found: dict[str, str] = {}
    for number, entry in enumerate(filter(None, (each.strip() for each in text.split(","))), 1):
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"entry {number} is not name=value.")
        found[unquote(name.strip())] = unquote(value.strip())
    return found

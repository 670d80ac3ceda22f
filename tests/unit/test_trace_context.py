"""Trace contexts as W3C has them, ids of spans, sampling, and what goes out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from workflow_platform.core.telemetry import exporting
from workflow_platform.core.telemetry.trace_context import (
    TraceContext,
    attempt_span,
    from_stored,
    parse,
    span_id_of,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # further flags
        (f" 00-{TRACE}-{SPAN}-01\t", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
    ],
)
def test_a_valid_header_gives_a_context(header: str, sampled: bool) -> None:
    assert parse(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "traceparent", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more", f"00-{TRACE[:-1]}-{SPAN}-01", f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01.", f"00_{TRACE}_{SPAN}_01",
    ],
)  # fmt: skip
def test_any_other_header_is_ignored(header: str | None) -> None:
    assert parse(header) is None


@pytest.mark.parametrize("sampled", [True, False, None])
def test_a_stored_context_is_read_as_it_was_and_fits_its_column(sampled: bool | None) -> None:
    context = TraceContext(TRACE, SPAN, sampled)
    assert from_stored(context.stored()) == context
    assert len(context.stored()) <= 52
    assert from_stored("") is None


def test_ids_of_spans_are_the_same_for_the_same_thing_only() -> None:
    about: list[Any] = [UUID(int=7), "ask", 0, 1]
    assert attempt_span(*about) == attempt_span(str(about[0]), *about[1:])
    ids = {attempt_span(*about), attempt_span(*about[:3], 2), attempt_span(about[0], "ask", 1, 1), span_id_of("a", 1)}
    assert len(ids) == 4
    assert all(len(each) == 16 and int(each, 16) for each in ids)


def test_a_sampler_decides_alike_for_all_spans_of_a_trace_and_follows_the_caller(settings: Any) -> None:
    own, yes, no = (TraceContext(TRACE, SPAN, sampled) for sampled in (None, True, False))
    decisions = {
        "parentbased_always_on": (True, True, False),
        "parentbased_always_off": (False, True, False),
        "always_on": (True, True, True),
        "always_off": (False, False, False),
    }
    for sampler, expected in decisions.items():
        settings.OTEL_TRACES_SAMPLER = sampler
        assert tuple(map(exporting.is_sampled, (own, yes, no))) == expected
    settings.OTEL_TRACES_SAMPLER, settings.OTEL_TRACES_SAMPLER_ARG = "traceidratio", 0.25
    kept = sum(exporting.is_sampled(TraceContext(span_id_of("t", n) * 2)) for n in range(2_000))
    assert 400 < kept < 600
    for ratio, all_of_them in ((0.0, False), (1.0, True)):
        settings.OTEL_TRACES_SAMPLER_ARG = ratio
        assert {exporting.is_sampled(TraceContext(f"{n:032x}")) for n in (1, 2**56 - 1)} == {all_of_them}


def test_requests_name_their_span_if_it_is_exported_and_else_pass_the_caller_on(settings: Any) -> None:
    own, caller = TraceContext(TRACE), TraceContext(TRACE, SPAN, True)
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    assert exporting.outgoing(own, "a" * 16) == ""
    assert exporting.outgoing(caller.at("b" * 16), "a" * 16) == f"00-{TRACE}-{'b' * 16}-01"
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://collector:4318"
    assert exporting.outgoing(own, "a" * 16) == f"00-{TRACE}-{'a' * 16}-01"
    settings.OTEL_TRACES_SAMPLER = "always_off"
    assert exporting.outgoing(caller, "a" * 16) == f"00-{TRACE}-{'a' * 16}-00"


def test_the_collector_is_configured_as_opentelemetry_has_it(settings: Any) -> None:
    assert exporting.collector() is None
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "https://otlp.example.com/otlp/"
    settings.OTEL_EXPORTER_OTLP_HEADERS = "Authorization=Basic%20YTpi, x-scope = a%2Cb"
    found = exporting.collector()
    assert found is not None
    assert found.url == "https://otlp.example.com/otlp/v1/traces"
    assert found.headers == {"Authorization": "Basic YTpi", "x-scope": "a,b"}
    assert "Basic" not in repr(found)
    settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "https://traces.example.com/custom"
    assert exporting.collector() is not None
    assert (exporting.collector() or found).url == "https://traces.example.com/custom"
    with pytest.raises(ValueError, match="entry 2 is not name=value") as raised:
        exporting.pairs("a=b,secret")
    assert "secret" not in str(raised.value)

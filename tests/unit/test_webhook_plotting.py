"""The geometry of charts, and the phases of an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from webhooks.pages.waterfall import waterfall
from workflow_platform.core import charts


@dataclass
class Timed:
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None


def test_bars_stand_on_each_other_and_one_among_thousands_is_seen() -> None:
    drawn = charts.stacked([{"delivered": 9_999, "failed": 1}, {}], ["delivered", "failed"], ["10:00", "11:00"])
    (delivered, failed), none = drawn["bars"][0].segments, drawn["bars"][1].segments
    assert drawn["most"] == 10_000
    assert delivered.y + delivered.height == pytest.approx(charts.HEIGHT, abs=0.01)
    assert failed.height == 1
    assert failed.y + failed.height == pytest.approx(delivered.y, abs=1)
    assert none == []
    assert [bar.title for bar in drawn["bars"]] == ["10:00: 9,999 delivered, 1 failed", "11:00: none"]


def test_a_curve_is_interrupted_where_there_is_nothing_and_a_lone_value_is_seen() -> None:
    path = charts.curve([1, 2, None, 4, None], 4)
    assert path == "M60.0 75.0L180.0 50.0M384.0 0.0H456.0"
    assert charts.curve([None], 1) == ""


@pytest.mark.parametrize(("value", "end"), [(0, 1), (1, 1), (1.2, 2), (4, 5), (51, 100), (100, 100), (340, 500)])
def test_a_scale_ends_at_a_round_number(value: float, end: float) -> None:
    assert charts.rounded_up(value) == end


def test_a_waterfall_has_each_phase_where_it_was() -> None:
    phases = waterfall(Timed(dns_ms=10, connect_ms=20, tls_ms=30, first_byte_ms=100, total_ms=200), scale=400)
    assert [(phase.name, phase.milliseconds, phase.left, phase.width) for phase in phases] == [
        ("DNS", 10, 0, 2.5),
        ("Connect", 20, 2.5, 5),
        ("TLS", 30, 7.5, 7.5),
        ("First byte", 40, 15, 10),
        ("Response", 100, 25, 25),
    ]


def test_a_connection_that_was_kept_has_no_connecting_and_one_that_timed_out_no_answer() -> None:
    assert [phase.name for phase in waterfall(Timed(dns_ms=1, first_byte_ms=5, total_ms=6))] == [
        "DNS",
        "First byte",
        "Response",
    ]
    timed_out = waterfall(Timed(dns_ms=1, connect_ms=2, total_ms=15_000))
    assert [(phase.name, phase.milliseconds) for phase in timed_out] == [
        ("DNS", 1),
        ("Connect", 2),
        ("No response", 14_997),
    ]
    refused = waterfall(Timed(total_ms=0.3))
    assert [(phase.name, phase.width) for phase in refused] == [("No response", 100)]


def test_bars_over_time_have_their_moment_for_the_page() -> None:
    at = datetime(2026, 11, 30, 18, tzinfo=UTC)
    (bar,) = charts.stacked([{"failed": 2}], ["failed"], [at])["bars"]
    assert (bar.at, bar.figures) == ("2026-11-30T18:00:00+00:00", "2 failed")
    assert bar.title == "Nov 30, 18:00 UTC: 2 failed"

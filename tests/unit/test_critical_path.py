"""The critical path: its segments fill the time of an execution, and slack is what a node may take longer."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from executions.domain.critical_path import (
    Halt,
    Interruption,
    PathRun,
    PathSegment,
    PathSpan,
    RunKey,
    critical_path,
    folded,
    in_buckets,
    stretches,
)


def run(name: str, begin: int, end: int, *after: str, halts: tuple[Halt, ...] = ()) -> PathRun:
    return PathRun((name, 0), begin, end, [(each, 0) for each in after], halts)


def said(segments: list[PathSegment]) -> list[tuple[str, int, str]]:
    return [(each.kind, each.microseconds, each.run[0] if each.run else "") for each in segments]


def test_the_later_of_two_branches_is_the_path() -> None:
    runs = [run("a", 12, 20), run("fast", 20, 25, "a"), run("slow", 22, 60, "a"), run("join", 61, 70, "fast", "slow")]
    before = [Interruption(PathSpan(0, 4), "admission"), Interruption(PathSpan(4, 10), "queue")]
    found = critical_path(PathSpan(0, 75), runs, before, 10)
    assert said(found.segments) == [
        ("admission", 4, ""), ("queue", 6, ""), ("turn", 2, "a"), ("run", 8, "a"), ("turn", 2, "slow"),
        ("run", 38, "slow"), ("turn", 1, "join"), ("run", 9, "join"), ("turn", 5, ""),
    ]  # fmt: skip
    assert found.slack == {"a": 0, "fast": 35, "slow": 0, "join": 0}


def test_waits_and_retries_are_cut_out_of_a_run_and_go_on_without_a_worker() -> None:
    halts = (
        Halt(PathSpan(20, 50), "wait", "approval"),
        Halt(PathSpan(60, 70), "retry_delay"),
        Halt(PathSpan(70, 72), "turn"),
    )
    away = [Interruption(PathSpan(25, 55), "queue"), Interruption(PathSpan(75, 80), "recovery")]
    found = critical_path(PathSpan(0, 90), [run("a", 10, 90, halts=halts)], away, 0)
    assert said(found.segments) == [
        ("turn", 10, "a"), ("run", 10, "a"), ("wait", 30, "a"), ("queue", 5, "a"), ("run", 5, "a"),
        ("retry_delay", 10, "a"), ("turn", 2, "a"), ("run", 3, "a"), ("recovery", 5, "a"), ("run", 10, "a"),
    ]  # fmt: skip
    assert found.segments[2].wait == "approval"


def test_without_node_runs_all_of_it_is_queue_or_turn() -> None:
    found = critical_path(PathSpan(0, 9), [], [Interruption(PathSpan(0, 5), "admission")], 5)
    assert (said(found.segments), found.slack) == ([("admission", 5, ""), ("turn", 4, "")], {})


def test_a_long_path_is_added_up_by_node() -> None:
    turns = [PathRun(("each", n), n * 10, n * 10 + 8, [("each", n - 1)] if n else []) for n in range(50)]
    short = folded(critical_path(PathSpan(0, 500), turns, [], 0).segments)
    assert [(each.kind, each.microseconds, each.runs) for each in short] == [
        ("run", 400, 50), ("turn", 98, 49), ("turn", 2, 1),
    ]  # fmt: skip


def test_the_path_is_drawn_by_stretches_or_by_buckets() -> None:
    runs = [run("a", 10, 20), run("b", 20, 28, "a"), run("c", 60, 90, "b")]
    segments = critical_path(PathSpan(0, 100), runs, [Interruption(PathSpan(0, 10), "queue")], 10).segments
    whole = stretches(segments, PathSpan(0, 100))
    assert [(each.run[0], each.span.begin, each.span.end) for each in whole] == [
        ("a", 10, 20), ("b", 20, 28), ("c", 28, 90),
    ]  # fmt: skip
    assert stretches(segments, PathSpan(22, 26)) == whole[1:2]
    cells = in_buckets(whole, PathSpan(0, 100), 25)
    assert [(each.run[0], each.span.begin, each.span.end) for each in cells] == [
        ("a", 0, 25), ("b", 0, 50), ("c", 25, 100),
    ]  # fmt: skip


@st.composite
def executions(draw: st.DrawFn) -> tuple[PathSpan, list[PathRun], list[Interruption], int]:
    started = draw(st.integers(0, 20))
    runs: list[PathRun] = []
    for number in range(draw(st.integers(0, 12))):
        needed = draw(st.lists(st.sampled_from(runs), unique_by=lambda each: each.key, max_size=3)) if runs else []
        begin = max([started, *(each.end for each in needed)]) + draw(st.integers(0, 5))
        end = begin + draw(st.integers(0, 30))
        edges = draw(st.lists(st.integers(begin, end), max_size=4))  # a wait can be over before it is recorded
        halts = [
            Halt(PathSpan(a, b), draw(st.sampled_from(["wait", "retry_delay", "turn"])))
            for a, b in zip(edges[::2], edges[1::2], strict=False)
        ]
        runs.append(PathRun((f"n{number % 5}", number), begin, end, [each.key for each in needed], halts))
    end = max([started, *(each.end for each in runs)]) + draw(st.integers(0, 5))
    cuts = sorted(draw(st.lists(st.integers(started, end), max_size=6)))
    kinds = st.sampled_from(["paused", "queue", "recovery"])
    away = [Interruption(PathSpan(0, started), "admission")]
    away += [Interruption(PathSpan(a, b), draw(kinds)) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return PathSpan(0, end), runs, away, started


@given(executions())
def test_the_segments_add_up_to_the_whole(made: tuple[PathSpan, list[PathRun], list[Interruption], int]) -> None:
    whole, runs, away, started = made
    found = critical_path(whole, runs, away, started)
    assert sum(each.microseconds for each in found.segments) == whole.end
    assert all(each.microseconds > 0 for each in found.segments)
    assert sum(each.microseconds for each in folded(found.segments)) == whole.end


@given(executions())
def test_a_node_may_take_its_slack_longer_and_no_more(
    made: tuple[PathSpan, list[PathRun], list[Interruption], int],
) -> None:
    whole, runs, away, started = made
    slack = critical_path(whole, runs, away, started).slack
    assert set(slack) == {each.key[0] for each in runs}
    for node, most in slack.items():
        ends = [last_end(runs, started, key, most) for key in (each.key for each in runs) if key[0] == node]
        assert set(ends) == {last_end(runs, started, None, 0)}
        later = [last_end(runs, started, key, most + 1) for key in (each.key for each in runs) if key[0] == node]
        assert max(later) == last_end(runs, started, None, 0) + 1


def last_end(runs: list[PathRun], started: int, longer: RunKey | None, by: int) -> int:
    """Return when the last run ends if one run takes longer: each begins as long after the last it needs as it did."""
    ends: dict[RunKey, int] = {}
    old = {each.key: each.end for each in runs}
    for each in map(replace, runs):
        shift = max((ends[key] for key in each.after), default=started) - max(
            (old[key] for key in each.after), default=started
        )
        ends[each.key] = each.end + shift + (by if each.key == longer else 0)
    return max(ends.values())

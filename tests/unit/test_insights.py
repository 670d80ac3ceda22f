"""What detectors decide, from figures alone: planted bottlenecks are found, healthy figures are not."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from executions.domain.graph import Graph
from executions.domain.read_paths import paths_read
from executions.insights import admission_replay
from executions.insights.admission_replay import Arrival
from executions.insights.detectors import (
    batch_requests,
    cache_node,
    endpoint_failing,
    limit_too_low,
    parallel_branches,
    queue_starved,
    slow_node,
    unused_data,
)
from executions.insights.detectors import retry_never_helps as retries
from executions.insights.detectors.cache_node import ComparedRun
from executions.insights.findings import seconds_text
from executions.insights.measures import InsightMeasure, verdict
from executions.insights.sample import SampledRun
from executions.models import InsightStatus

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# --- limits ----------------------------------------------------------------------------------------------------------


def reference(arrivals: list[Arrival], limit: int) -> list[float]:
    """Admit in steps of a tenth of a second: slow, and obviously the rule."""
    waiting, running, found, now = list(range(len(arrivals))), list[float](), [0.0] * len(arrivals), 0
    while waiting:
        running = [end for end in running if end > now]
        for newest in (now - 1, now):  # a free place goes to those that wait before somebody arrives
            there = sorted((i for i in waiting if arrivals[i].at <= newest), key=lambda i: (arrivals[i].rank, i))
            for index in there[: limit - len(running)]:
                waiting.remove(index)
                found[index] = now - arrivals[index].at
                running.append(now + arrivals[index].seconds)
        now += 1
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_replay_admits_as_a_slow_reference_does(seed: int) -> None:
    dice = random.Random(seed)
    arrivals = [
        Arrival(dice.randrange(50), dice.randrange(50), dice.randint(1, 20)) for _ in range(dice.randint(1, 40))
    ]
    # Equal moments of arrival are admitted one by one; tell them apart as a database would.
    arrivals = [Arrival(at, rank, s) for at, rank, s in {a.at: (a.at, a.rank, a.seconds) for a in arrivals}.values()]
    limit = dice.randint(1, 4)
    assert admission_replay.waits(arrivals, limit) == reference(arrivals, limit)


def test_each_key_has_places_of_its_own() -> None:
    arrivals = [Arrival(0, 0, 10, "a"), Arrival(1, 1, 10, "a"), Arrival(2, 2, 10, "b")]
    assert admission_replay.waits(arrivals, 1, per_key=True) == [0, 9, 0]
    assert admission_replay.waits(arrivals, 1) == [0, 9, 18]


def test_a_limit_that_holds_executions_back_is_raised_as_far_as_it_helps() -> None:
    arrivals = [Arrival(number, number, 20) for number in range(60)]
    recorded = admission_replay.waits(arrivals, 10)
    found = limit_too_low.decide(arrivals, recorded, [0.1] * 60, 10, 80)
    assert found is not None
    assert (found.limit, found.median_after, found.error) == (20, 0, 0)
    assert found.median_before > 10


@pytest.mark.parametrize(
    ("recorded", "workers", "ceiling"),
    [
        ([0.0] * 60, [0.1] * 60, 80),  # nobody waits
        ([40.0] * 60, [0.1] * 60, 80),  # they wait for something else: the limit does not explain it
        (None, [30.0] * 60, 80),  # workers hold them back as well
        (None, [0.1] * 60, 10),  # the workspace allows no more
    ],
)
def test_no_other_limit_is_advised(recorded: list[float] | None, workers: list[float], ceiling: int) -> None:
    arrivals = [Arrival(number, number, 20) for number in range(60)]
    recorded = recorded or admission_replay.waits(arrivals, 10)
    assert limit_too_low.decide(arrivals, recorded, workers, 10, ceiling) is None


# --- nodes -----------------------------------------------------------------------------------------------------------


def test_the_gain_of_a_cache_counts_repeated_inputs_within_their_time() -> None:
    runs = [ComparedRun((number % 4,), f"out{number % 4}", at(number), 500) for number in range(40)]
    found = cache_node.gain(runs, 3600)
    assert found is not None
    assert (found.runs, found.hits, found.distinct, found.saved_ms) == (40, 36, 4, 18_000)
    assert cache_node.is_worth_it(found, 500)
    short = cache_node.gain(runs, 3)  # each input comes every four seconds
    assert short is not None
    assert short.hits == 0
    assert not cache_node.is_worth_it(short, 500)
    assert not cache_node.is_worth_it(found, 5)
    assert cache_node.gain([*runs, ComparedRun((1,), "another", at(50), 500)], 3600) is None


def test_the_node_that_takes_most_of_the_path_is_slow_if_it_takes_long() -> None:
    found = slow_node.decide([{"a": 0.5, "b": 8.0}, {"a": 0.5, "b": 4.0}], [9, 5])
    assert found is not None
    assert (found.node, found.seconds, round(found.share, 3)) == ("b", 6.0, 0.857)
    assert slow_node.decide([{"a": 0.05, "b": 0.8}], [0.85]) is None
    assert slow_node.decide([{"a": 3, "b": 3}], [6]) is None
    assert slow_node.decide([], []) is None


def called(count: int, first_byte_ms: float) -> SampledRun:
    return replace(run(1, "completed"), cost={"calls": {"count": count, "first_byte_ms": first_byte_ms}})


def test_many_requests_in_a_run_are_an_advice_if_they_take_long() -> None:
    found = batch_requests.decide([called(100, 4_000), called(50, 2_000)] * 5)
    assert found is not None
    assert (found.runs, found.calls, found.seconds) == (10, 75, 3.0)
    assert batch_requests.decide([called(100, 4_000)] * 4) is None  # too few runs
    assert batch_requests.decide([called(3, 4_000)] * 10) is None
    assert batch_requests.decide([called(100, 500)] * 10) is None
    assert batch_requests.decide([run(1, "completed")] * 10) is None  # nothing recorded


def chain(second: dict[str, Any], first: dict[str, Any] | None = None) -> Graph:
    nodes = [
        {"id": "start", "type": "manual_trigger"},
        {"id": "a", "name": "Rates", "type": "http_request", "parameters": first or {"url": "http://a/"}},
        {"id": "b", "type": "http_request", "parameters": second},
    ]
    return Graph.parse(nodes, [{"source": "start", "target": "a"}, {"source": "a", "target": "b"}])


@pytest.mark.parametrize("url", ["http://b/", "http://b/{{ $vars.place }}", "http://b/{{ $('start').item.json.id }}"])
def test_a_node_that_uses_nothing_of_the_one_before_could_run_beside_it(url: str) -> None:
    assert list(parallel_branches.independent_chains(chain({"url": url}))) == [("a", "b")]


@pytest.mark.parametrize(
    "parameters",
    [
        {"url": "http://b/{{ $json.id }}"},
        {"url": "http://b/", "query": {"q": ["{{ $input.item.json.q }}"]}},
        {"url": "http://b/{{ $('Rates').first().json.id }}"},
        {"url": "http://b/{{ $('a').first().json.id }}"},
        {"url": "http://b/", "method": "POST"},  # the order of effects matters
        {"url": "http://b/{{ 'open }}"},
    ],
)
def test_a_node_that_needs_the_one_before_stays_behind_it(parameters: dict[str, Any]) -> None:
    assert list(parallel_branches.independent_chains(chain(parameters))) == []


def test_side_by_side_nodes_save_the_time_of_the_quicker_one() -> None:
    first = replace(run(1, "completed"), duration_ms=3_000.0, output_items=2, inputs={"main": [{"items": 2}]})
    second = replace(run(1, "completed"), duration_ms=2_000.0)
    found = parallel_branches.decide([(first, second)] * 20)
    assert found is not None
    assert (found.n, found.saved) == (20, 2.0)
    assert parallel_branches.decide([(first, second)] * 19) is None
    assert parallel_branches.decide([(first, replace(second, duration_ms=200.0))] * 20) is None
    assert parallel_branches.decide([(replace(first, output_items=5), second)] * 20) is None


def run(attempt: int, status: str) -> SampledRun:
    before: list[dict[str, Any]] = [
        {"attempt": number, "ended_at": at(number).isoformat()} for number in range(1, attempt)
    ]
    return SampledRun(uuid4(), "n", 0, status, attempt, before, {}, "", 0, False, None, 1.0, at(attempt + 2))


def test_attempts_that_never_succeeded_are_named_with_their_time() -> None:
    runs = [run(1, "completed")] * 5 + [run(2, "completed")] * 3 + [run(5, "failed")] * 12
    found = retries.decide(runs, 5)
    assert found is not None
    assert (found.last, found.tries, found.seconds) == (2, 12, 60.0)
    assert found.by_attempt == {1: (20, 5), 2: (15, 3), 3: (12, 0), 4: (12, 0), 5: (12, 0)}
    assert retries.decide([*runs, run(5, "completed")], 5) is None
    assert retries.decide(runs[:12], 5) is None


# --- workers and endpoints -------------------------------------------------------------------------------------------


def test_executions_that_wait_for_workers_are_counted_with_those_not_started() -> None:
    waits = [(at(0), at(30))] * 10 + [(at(0), None)] * 10
    found = queue_starved.decide(waits, at(60), 600)
    assert found is not None
    assert (found.n, found.seconds, found.unstarted, found.waiting) == (20, 45, 10, 1.5)
    assert queue_starved.decide([(at(0), at(0.2))] * 100, at(60), 600) is None
    assert queue_starved.decide(waits[:9], at(60), 600) is None


def test_an_endpoint_fails_by_its_share_now_and_over_all() -> None:
    bad, good = ("retry", 503, "status"), ("delivered", 200, "")
    found = endpoint_failing.decide([bad] * 15 + [good] * 5)
    assert found is not None
    assert (found.n, found.failed, found.reason) == (20, 15, "503")
    assert endpoint_failing.decide([good] * 10 + [bad] * 30) is None
    assert endpoint_failing.decide([bad] * 9) is None
    assert endpoint_failing.decide([("retry", None, "timeout")] * 10).reason == "timeout"  # type: ignore[union-attr]


def test_an_advice_is_confirmed_only_by_enough_observations() -> None:
    assert verdict(40.0, InsightMeasure("s", 20, 3.0)) is InsightStatus.CONFIRMED
    assert verdict(40.0, InsightMeasure("s", 20, 39.0)) is InsightStatus.REFUTED
    assert verdict(40.0, InsightMeasure("s", 19, 3.0)) is None
    assert verdict(None, InsightMeasure("s", 50, 3.0)) is None


def test_durations_read_well() -> None:
    assert [seconds_text(each) for each in (0.35, 4.25, 41, 720, 10_800)] == [
        "350 ms",
        "4.2 s",
        "41 s",
        "12 min",
        "3 h",
    ]


# --- unused data -----------------------------------------------------------------------------------------------------


def fetching(*more: dict[str, Any], edges: list[tuple[str, str]] | None = None, **condition: Any) -> Graph:
    """Return a request whose items pass an `if` on their way to a second request, which reads the id."""
    fetch = {"id": "fetch", "name": "Fetch", "type": "http_request", "parameters": {"url": "https://a.example/"}}
    paid = {"id": "paid", "type": "if", "parameters": condition or {"condition": "{{ $json.body.paid }}"}}
    url = "https://a.example/{{ $json.body.customer.id }}"
    send = {"id": "send", "type": "http_request", "parameters": {"url": url}}
    drawn = [{"source": "fetch", "target": "paid"}, {"source": "paid", "target": "send", "source_output": "true"}]
    drawn += [{"source": source, "target": target} for source, target in edges or []]
    return Graph.parse([fetch, paid, send, *more], drawn)


def certain(graph: Graph) -> unused_data.CopiedData | None:
    found = unused_data.spread(graph, "fetch")
    return None if found is None or unused_data.names_any(graph, found, "fetch") else found


def test_fields_that_no_expression_reads_are_found_with_their_size() -> None:
    found = certain(fetching())
    assert found is not None
    assert found.copied_by == ("paid",)
    assert found.read == {("body", "paid"), ("body", "customer", "id")}
    item = {"status": 200, "body": {"paid": True, "log": "x" * 90, "customer": {"id": 1, "notes": "y" * 50}}}
    fields, total = unused_data.unused([item, item], found.read)
    assert {".".join(path) for path in fields} == {"status", "body.log", "body.customer.notes"}
    assert 0.8 < fields.total() / total < 1


@pytest.mark.parametrize(
    "graph",
    [
        fetching(condition="{{ $json }}"),
        fetching(condition="{{ Object.keys($json.body).length + $input.item.json.x }}"),
        fetching(condition="{{ $json[$vars.name] }}"),
        fetching(condition="{{ eval('$' + 'json') }}"),
        fetching(
            {"id": "run", "type": "code", "parameters": {"code": "return $input.all()"}}, edges=[("fetch", "run")]
        ),
        fetching({"id": "run", "type": "code", "parameters": {"code": "return $('Fetch').all()"}}),
        fetching({"id": "run", "type": "code", "parameters": {"code": "return $(name).all()"}}),
        fetching({"id": "last", "type": "set", "parameters": {}}, edges=[("fetch", "last")]),
        fetching({"id": "named", "type": "http_request", "parameters": {"url": "{{ $('paid').item.json.url }}"}}),
    ],
)
def test_data_counts_as_read_wherever_that_is_not_certain(graph: Graph) -> None:
    assert certain(graph) is None


def test_what_is_read_is_what_expressions_certainly_name() -> None:
    read = {"a": "{{ $json?.a?.['b c'].map(x => x.d) }}", "b": ["at {{ `${$json.e} $5` }}", {"{{ $json.f }}": 1}]}
    assert paths_read(read) == {("a",), ("e",), ("f",)}
    assert paths_read("costs $5 {{ $json.a }}") is None
    assert paths_read("{{ $json.a") is None
    assert paths_read(r"{{ \u0024json.a }}") is None

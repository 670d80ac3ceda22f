"""Metrics: what is served, that sums of processes never shrink, and the same figures in JSON."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from django.db.models.functions import Now
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from executions.domain.statuses import ExecutionStatus
from executions.lifecycle import create_execution
from executions.models import Execution, Trigger
from tests.docs.pages import DOCS, table_rows
from tests.engine import COMMITS, make_workflow, run_here
from tests.integration.test_rollups import slow_count
from workflow_platform.core import instruments
from workflow_platform.core.instruments import Counter, Instrument
from workflow_platform.core.metrics import exposition, reporting, store
from workflow_platform.core.metrics.models import ProcessMetrics
from workflow_platform.core.metrics.reporting import ProcessReports
from workflow_platform.core.redis_server import patient_client

SPECIFIED = (
    "websocket_connections_total", "websocket_connections_active", "websocket_messages_sent_total",
    "websocket_messages_received_total", "websocket_latency_seconds", "executions_started_total",
    "executions_completed_total", "executions_failed_total", "execution_duration_seconds", "webhooks_queued_total",
    "webhooks_delivered_total", "webhooks_failed_total", "webhook_retry_attempts_total", "cache_hits_total",
    "cache_misses_total", "memory_usage_bytes", "cpu_usage_percent", "queue_length",
)  # fmt: skip
"""The names that people's dashboards have."""
LABELS = {"trigger", "status", "queue", "kind", "state", "node_type", "result", "failure", "le"}
SERIES = "events_appended_total"


def scraped() -> dict[str, dict[tuple[str, ...], float]]:
    """Return what `/metrics` serves, as the reference parser reads it: by name of the sample and values of labels."""
    samples: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(Client().get("/metrics").content.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            assert sample.labels.keys() <= LABELS
            assert not any(re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", value) for value in sample.labels.values())
            key = tuple(sample.labels.values())
            assert key not in samples[sample.name]
            samples[sample.name][key] = sample.value
    return samples


@COMMITS
def test_the_reference_parser_reads_every_metric_and_totals_equal_the_rows() -> None:
    for code in ("return [{n: 1}]", "throw new Error('No.')"):
        nodes = [
            {"id": "start", "type": "manual_trigger"},
            {"id": "code", "type": "code", "parameters": {"code": code}},
        ]
        workflow = make_workflow(nodes, [{"source": "start", "target": "code"}])
        run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[]))
    samples = scraped()
    for name in SPECIFIED:
        assert name in samples or f"{name}_bucket" in samples, name
    ended = Execution.objects.exclude(ended_at__isnull=True)
    for status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        assert sum(samples[f"executions_{status.value}_total"].values()) == 1
        assert ended.filter(status=status.value).count() == 1
        assert samples["execution_duration_seconds_count"][status.value,] == 1
    assert samples["executions_started_total"]["manual",] == 2
    _, nodes_counted = slow_count()
    runs = sum(node["runs"] for node in nodes_counted.values())
    assert sum(samples["node_runs_total"].values()) == runs == 4
    assert samples["node_runs_total"]["code", "failed"] == 1
    buckets = samples["execution_duration_seconds_bucket"]
    counts = [value for (status, _), value in buckets.items() if status == "completed"]
    assert (counts, counts[-1]) == (sorted(counts), 1)

    shown = Client().get("/api/metrics/?step=60").json()
    assert (shown["active_executions"], shown["queued_executions"]) == (0, 0)
    assert sum(step["completed"] + step["failed"] for step in shown["series"]) == 2
    assert 0 < shown["executions_per_minute"] <= 2
    assert shown["average_execution_ms"] > 0
    assert Client().get("/api/metrics/?since=2020-01-01T00:00:00Z&step=60").status_code == 400


def test_labels_are_declared_and_names_occur_once() -> None:
    for instrument in Instrument.declared.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", instrument.name)
        assert instrument.name.endswith("_total") == isinstance(instrument, Counter)
        assert instrument.labels.keys() <= LABELS
        assert len(instrument.help) <= 120
    with pytest.raises(ValueError, match="declared twice"):
        Counter(SERIES, "Again.")
    with pytest.raises(KeyError):
        Instrument.declared["cache_hits_total"].add(1, str(uuid4()))  # type: ignore[attr-defined]


STEPS = st.lists(
    st.tuples(st.sampled_from(["count", "report", "flush", "read", "late", "age", "begin"]), st.integers(0, 3)),
    max_size=60,
)


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_in_any_order_of_reports_losses_and_folds_no_sum_shrinks_and_nothing_counts_twice(
    steps: list[tuple[str, int]],
) -> None:
    ProcessMetrics.objects.all().delete()
    ids, counted, sent = [uuid4() for _ in range(4)], [0] * 4, [0] * 4
    in_redis: dict[UUID, dict[str, Any]] = {}
    everything: list[dict[str, Any]] = []
    shown: dict[UUID, int] = {}
    folded: set[UUID] = set()
    sequence, before = 0, 0.0
    for kind, n in steps:
        match kind:
            case "count":
                counted[n] += n + 1
            case "report":
                sequence += 1
                sent[n] = counted[n]
                in_redis[ids[n]] = report(ids[n], sequence, counted[n])
                everything.append(in_redis[ids[n]])
            case "flush":
                in_redis.clear()
            case "read":
                store.keep(list(in_redis.values()))
                for id_, each in in_redis.items():
                    if id_ not in folded:
                        shown[id_] = each["cumulative"][SERIES][0]
            case "late" if everything:  # an old report is read again, by a reader that was slow
                each = everything[n % len(everything)]
                store.keep([each])
                id_ = UUID(each["id"])
                if id_ not in folded:
                    shown[id_] = max(shown.get(id_, 0), each["cumulative"][SERIES][0])
            case "age":
                ProcessMetrics.objects.filter(pk=ids[n]).update(seen_at=Now() - timedelta(hours=2))
                folded |= set(ProcessMetrics.objects.filter(pk=ids[n]).values_list("pk", flat=True))
                store.fold()
            case "begin":  # the process died, and another one runs in its place
                ids[n], counted[n] = uuid4(), 0
        total = store.totals().get(SERIES, [0.0])[0]
        assert total >= before
        assert total == sum(shown.values())
        before = total


def report(id_: UUID, sequence: int, value: int) -> dict[str, Any]:
    cumulative = {SERIES: [float(value)]}
    return {"id": str(id_), "kind": "web", "host": "h", "sequence": sequence, "cumulative": cumulative, "gauges": {}}


@pytest.mark.django_db
def test_a_process_that_was_frozen_for_long_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with patient_client() as client:
        client.delete(reporting.INDEX)
    counter = Instrument.declared[SERIES]
    assert isinstance(counter, Counter)
    instruments._start_over()
    reports = ProcessReports("web")
    counter.add(5)
    reports.send()
    assert store.measured().cumulative[SERIES] == [5]
    first = UUID(reports.id)
    ProcessMetrics.objects.filter(pk=first).update(seen_at=Now() - timedelta(hours=2))
    assert store.fold() == 1
    counter.add(2)
    reports.send()  # thawed, between two looks at the clock: its old id is not counted again
    assert store.measured().cumulative[SERIES] == [5]
    counter.add(3)
    now = time.time()
    monkeypatch.setattr(reporting.time, "time", lambda: now + reporting.RENEWED_SECONDS + 60)
    reports.send()
    assert UUID(reports.id) != first
    monkeypatch.undo()
    assert store.measured().cumulative[SERIES] == [8]
    assert store.fold() == 0
    with patient_client() as client:
        client.flushdb()
    measured = store.measured()
    assert (measured.cumulative[SERIES], measured.gauges) == ([8], {})


WORDS_OF_PROMQL = {
    "sum", "max", "min", "avg", "count", "by", "without", "and", "or", "unless", "on", "ignoring", "rate", "increase",
    "deriv", "histogram_quantile", "absent", "time", "le",
}  # fmt: skip


def named_in(expression: str) -> set[str]:
    """Return the metrics that an expression names."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|without)\s*\([^)]*\)|\"[^\"]*\"", " ", expression)
    return set(re.findall(r"[a-z_][a-z0-9_]*", bare)) - WORDS_OF_PROMQL


@pytest.mark.django_db
def test_the_page_the_dashboard_and_the_alerts_name_what_is_served() -> None:
    served = {family.name: family for family in exposition.families()}
    rows = list(table_rows("metrics.md"))
    documented = {row[0].strip("`"): row[1:] for row in rows}
    assert documented.keys() == served.keys()
    assert len(rows) == len(documented)
    for name, (kind, labels, meaning) in documented.items():
        family = served[name]
        assert (kind, meaning) == (family.kind, family.help)
        used = {label for sample, _ in family.samples for label in re.findall(r"(\w+)=\"", sample)} - {"le"}
        assert set(re.findall(r"`(\w+)`", labels)) == used or not family.samples, name

    samples = {f"{name}{suffix}" for name in served for suffix in ("", "_bucket", "_count", "_sum")}
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    panels = dashboard["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"][0]["rules"]
    for expression in (*shown, *(rule["expr"] for rule in rules)):
        named = named_in(expression)
        assert named
        assert named <= samples | {"up"}, expression
    on_dashboard = set().union(*map(named_in, shown))
    for name in served:  # each metric has a panel
        assert on_dashboard & {name, f"{name}_bucket"}, name
    assert len({panel["id"] for panel in panels}) == len(panels)
    squares = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(set(squares)) == len(squares)  # no panel hides another
    assert max(x for x, _ in squares) < 24
    assert dashboard["schemaVersion"] >= 36
    assert {variable["type"] for variable in dashboard["templating"]["list"]} == {"datasource"}
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(rule["annotations"].keys() == {"summary", "description"} for rule in rules)

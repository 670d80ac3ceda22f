"""Metrics of executions: of the installation, computed from rows. No label names a workflow, workspace or execution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from events.bus import positions
from events.bus.models import EventSubscription
from events.history import history
from executions import instruments  # noqa: F401 - declares what other processes measure
from executions.admission import rq_queues
from executions.admission.live_workers import live_workers
from executions.domain.histograms import BOUNDS_MS
from executions.models import ExecutionTotal, Trigger
from executions.rollups import advance, totals
from workflow_platform.core.metrics.exposition import Family

ENDS = {"completed": "completed", "failed": "failed", "cancelled": "were cancelled", "timed_out": "timed out"}
BOUNDS = tuple(bound / 1000 for bound in BOUNDS_MS)
MOST_SUBSCRIPTIONS = 50
"""Event subscriptions whose lag is looked at."""
ADVANCE_SECONDS = 1.0
_STATES = """
SELECT status, priority, count(*), COALESCE(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)::float8
FROM executions_execution WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out') GROUP BY 1, 2
"""
_SCHEDULE_LAG = """
SELECT COALESCE(extract(epoch FROM clock_timestamp() - min(next_at)), 0)::float8 FROM executions_schedule
WHERE next_at <= clock_timestamp()
"""
_CLEANUP = "SELECT COALESCE(extract(epoch FROM max(ran_at)), 0)::float8 FROM events_cleanupstate"


def families() -> Iterator[Family]:
    """Yield the metrics of executions, nodes, queues, workers and history."""
    advance(ADVANCE_SECONDS)
    yield from _executions()
    yield from _node_runs()
    yield from _states()
    yield from _workers()
    yield Family.of(
        "scheduler_lag_seconds", "gauge", "How long the oldest due schedule is overdue.", _one(_SCHEDULE_LAG)
    )
    yield Family.of(
        "event_subscriptions_lag_seconds",
        "gauge",
        "Age of the oldest event that some event subscription has not handled.",
        _subscriptions_lag(),
    )
    yield Family.of(
        "rollups_lag_seconds", "gauge", "How long ago the events of executions were counted.", totals.lag_seconds()
    )
    yield Family.of(
        "history_cleanup_timestamp_seconds", "gauge", "When retention last removed something.", _one(_CLEANUP)
    )


def _executions() -> Iterator[Family]:
    rows = totals.executions()
    counts = {"queued": "were queued", "started": "started", **ENDS}
    for event, what in counts.items():
        help_text = f"Live executions that {what}, by what started them."
        yield _by_trigger(f"executions_{event}_total", help_text, totals.by_trigger(rows, event))
    recovered = totals.by_trigger(rows, "recovered")
    yield _by_trigger(
        "executions_recovered_total", "Live executions that continued after their worker was lost.", recovered
    )
    durations = Family(
        "execution_duration_seconds",
        "histogram",
        "Durations of live executions from start to end, with waits, by how they ended.",
    )
    for status in ENDS:
        _add(durations, {"status": status}, [row for row in rows if row.event == status])
    yield durations
    for event, name, help_text in (
        (
            "admitted",
            "executions_admission_wait_seconds",
            "How long executions were queued before the limits admitted them.",
        ),
        ("started", "executions_queue_wait_seconds", "How long executions were queued before a worker started them."),
    ):
        waits = Family(name, "histogram", help_text)
        _add(waits, {}, [row for row in rows if row.event == event])
        yield waits


def _add(family: Family, labels: Mapping[str, str], rows: Iterable[ExecutionTotal]) -> None:
    counts, milliseconds = [0] * (len(BOUNDS) + 1), 0.0
    for row in rows:
        counts = [a + b for a, b in zip(counts, row.histogram, strict=True)]
        milliseconds += row.milliseconds
    family.add_histogram(labels, milliseconds / 1000, counts, BOUNDS)


def _by_trigger(name: str, help_text: str, counts: Mapping[str, int]) -> Family:
    shown = dict.fromkeys(Trigger.values, 0) | dict(counts)
    return Family.of(name, "counter", help_text, {("trigger", trigger): n for trigger, n in shown.items()})


def _node_runs() -> Iterator[Family]:
    rows = totals.node_types()
    runs = Family("node_runs_total", "counter", "Ended node runs of live executions, by node type and result.")
    durations = Family("node_duration_seconds", "histogram", "Durations of completed node runs that were not cached.")
    for row in rows:
        results = {"completed": row.runs - row.failed - row.cached, "failed": row.failed, "cached": row.cached}
        for result, count in results.items():
            runs.samples.append((f'node_runs_total{{node_type="{row.pk}",result="{result}"}}', count))
        durations.add_histogram({"node_type": row.pk}, row.duration_ms / 1000, row.histogram, BOUNDS)
    yield runs
    for name, field, help_text in (
        ("node_retries_total", "retries", "Failed attempts of nodes after which another followed."),
        ("node_items_total", "items", "Output items of nodes."),
        ("node_output_bytes_total", "bytes", "The size of the outputs of nodes."),
    ):
        yield Family.of(name, "counter", help_text, {("node_type", row.pk): getattr(row, field) for row in rows})
    yield durations


def _states() -> Iterator[Family]:
    with connection.cursor() as cursor:
        cursor.execute(_STATES)
        rows = cursor.fetchall()
    states = dict.fromkeys(("queued", "running", "waiting", "paused"), 0)
    lengths, oldest = dict.fromkeys(rq_queues.PRIORITIES, 0), 0.0
    for status, priority, count, age in rows:
        states[status] += count
        if status == "queued":
            lengths[priority] += count
            oldest = max(oldest, age)
    by_status = {("status", status): count for status, count in states.items()}
    yield Family.of("executions_unended", "gauge", "Executions that have not ended, by status.", by_status)
    by_queue = {("queue", queue): count for queue, count in lengths.items()}
    yield Family.of("queue_length", "gauge", "Queued executions, by priority.", by_queue)
    yield Family.of("queue_oldest_seconds", "gauge", "How long the oldest queued execution has been queued.", oldest)


def _workers() -> Iterator[Family]:
    """Yield what Redis knows; without samples while it does not respond."""
    workers = live_workers()
    alive = Family("workers_alive", "gauge", "Workers with a recent heartbeat.")
    starving = Family("workers_starving", "gauge", "Workers whose executions are delayed.")
    if workers is not None:
        alive.samples.append((alive.name, workers.alive))
        starving.samples.append((starving.name, len(workers.starving)))
    yield from (alive, starving)
    counts = {("queue", queue): count for queue, count in _jobs().items()}
    yield Family.of("rq_jobs", "gauge", "Jobs that wait in the queues of RQ.", counts)


def _jobs() -> dict[str, int]:
    try:
        return rq_queues.lengths()
    except RedisError:
        return {}


def _subscriptions_lag() -> float:
    ages = [0.0]
    for subscription in EventSubscription.objects.order_by("updated_at")[:MOST_SUBSCRIPTIONS]:
        page = history.read(positions.filter_of(subscription), positions.cursor_of(subscription), 1)
        ages += [(timezone.now() - event.happened_at).total_seconds() for event in page.events]
    return max(ages)


def _one(statement: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return float(cursor.fetchone()[0])

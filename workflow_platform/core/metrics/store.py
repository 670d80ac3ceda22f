"""Adds up the processes. What was shown once is in PostgreSQL, so no counter decreases whatever happens to Redis.

A reading first writes the reports in Redis to the rows of their processes, in one statement, and then adds up the rows.
Rows of processes that have been silent for FOLDED_AFTER are added to one row, the remainder.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import redis
from django.db import connection, transaction
from django.db.models.functions import Now

from workflow_platform.core.instruments import Gauge, Instrument, Series
from workflow_platform.core.metrics.adding import added
from workflow_platform.core.metrics.models import ProcessMetrics
from workflow_platform.core.metrics.reporting import ALIVE_SECONDS, INDEX, REPORT
from workflow_platform.core.redis_server import patient_client

logger = logging.getLogger(__name__)

REMAINDER = UUID(int=0)
FOLDED_AFTER = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=30)
"""How long the id of a folded process is kept, so that a report of it that arrives late is not counted twice."""

_KEEP = """
INSERT INTO metrics_processmetrics AS kept (id, kind, host, sequence, cumulative)
SELECT id, kind, host, sequence, cumulative
FROM jsonb_to_recordset(%s::jsonb) AS r (id uuid, kind text, host text, sequence bigint, cumulative jsonb) ORDER BY id
ON CONFLICT (id) DO UPDATE
SET sequence = EXCLUDED.sequence, cumulative = EXCLUDED.cumulative, seen_at = statement_timestamp()
WHERE EXCLUDED.sequence > kept.sequence AND NOT kept.folded
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the processes of the installation measure."""

    cumulative: Series
    """Counters and histograms, of all processes since the beginning."""
    gauges: dict[str, float] | None
    """Of the processes that are alive; None while Redis does not respond."""


@dataclass(frozen=True, slots=True)
class _Reports:
    reports: list[dict[str, Any]]
    alive: list[dict[str, Any]]
    """Those of processes that are alive."""


def measured() -> Measured:
    """Keep the reports that are in Redis, and return what all processes together have counted."""
    found = _reports()
    keep(found.reports if found else [])
    return Measured(totals(), _together(found.alive) if found else None)


def keep(reports: list[dict[str, Any]]) -> None:
    """Write reports to the rows of their processes, unless the row is of a later report or folded."""
    if reports:
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [orjson.dumps(reports).decode()])


def totals() -> Series:
    """Return the sums over all processes that have ever been seen."""
    return added(ProcessMetrics.objects.filter(folded=False).values_list("cumulative", flat=True))


@transaction.atomic
def fold() -> int:
    """Add the rows of processes that have been silent for long to the remainder. Returns how many."""
    ProcessMetrics.objects.get_or_create(
        pk=REMAINDER, defaults={"kind": "", "host": "", "sequence": 0, "cumulative": {}}
    )
    remainder = ProcessMetrics.objects.select_for_update().get(pk=REMAINDER)
    silent = ProcessMetrics.objects.filter(seen_at__lt=Now() - FOLDED_AFTER, folded=False).exclude(pk=REMAINDER)
    rows = list(silent.select_for_update().order_by("pk"))
    if rows:
        remainder.cumulative = added([remainder.cumulative, *(row.cumulative for row in rows)])
        remainder.save(update_fields=["cumulative"])
        ProcessMetrics.objects.filter(pk__in=[row.pk for row in rows]).update(folded=True, cumulative={})
    ProcessMetrics.objects.filter(folded=True, seen_at__lt=Now() - FORGOTTEN_AFTER).delete()
    return len(rows)


def keep_reports() -> None:
    """Keep what is in Redis and fold old rows: what the scheduler does, so that it holds without a reader."""
    if (found := _reports()) is not None:
        keep(found.reports)
    fold()


def _reports() -> _Reports | None:
    """Return the reports in Redis; None if it does not respond."""
    since = time.time() - ALIVE_SECONDS
    try:
        with patient_client() as client:
            scored: Any = client.zrange(INDEX, 0, -1, withscores=True)
            found: Any = client.mget([f"{REPORT}{id_.decode()}" for id_, _ in scored]) if scored else []
    except redis.RedisError as error:
        logger.warning("metrics of processes not read: %s; showing what is known", error)
        return None
    alive = {id_.decode() for id_, at in scored if at > since}
    reports = [orjson.loads(text) for text in found if text is not None]
    return _Reports(reports, [report for report in reports if report["id"] in alive])


def _together(reports: list[dict[str, Any]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for report in reports:
        for series, value in report["gauges"].items():
            instrument = Instrument.declared.get(series.partition("{")[0])
            if isinstance(instrument, Gauge) and instrument.greatest:
                total[series] = max(value, total.get(series, value))
            else:
                total[series] = total.get(series, 0.0) + value
    return total

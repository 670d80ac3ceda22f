"""`/api/metrics/`: figures of the whole installation in JSON, for those who may read `/metrics`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.instruments import CACHE_HITS, CACHE_MISSES, SLOTS
from executions.rollups import advance, reading
from executions.rollups.reading import ExecutionSums, RollupSpan
from workflow_platform.core.accounts import metrics_access
from workflow_platform.core.accounts.token_scopes import HasTokenScope
from workflow_platform.core.api.inputs import Moment, QuerySerializer
from workflow_platform.core.instruments import series_name
from workflow_platform.core.metrics import store
from workflow_platform.core.metrics.reporting import CPU, KINDS, MEMORY, PROCESSES

DEFAULT_SPAN = timedelta(hours=1)
MAX_STEPS = 1_500
ADVANCE_SECONDS = 1.0
_UNENDED = """
SELECT count(*) FILTER (WHERE status = 'running'), count(*) FILTER (WHERE status = 'queued'),
  count(*) FILTER (WHERE status IN ('waiting', 'paused'))
FROM executions_execution WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out')
"""


class MayReadMetrics(BasePermission):
    """Loopback, METRICS_ALLOW and staff."""

    message = metrics_access.CLOSED.strip()

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the caller may read the metrics of the installation."""
        return metrics_access.comes_from_allowed_address(request._request) or bool(
            request.user and request.user.is_authenticated and request.user.is_staff
        )


class MetricsQuerySerializer(QuerySerializer):
    since = Moment(required=False, help_text="Beginning of the span of time. Default: an hour ago.")
    step = serializers.IntegerField(
        min_value=60,
        max_value=86_400,
        required=False,
        help_text=f"Seconds of each entry of `series`, of which there are at most {MAX_STEPS}. Default: no series.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Limit the number of steps."""
        now = datetime.now(UTC)
        attrs.setdefault("since", now - DEFAULT_SPAN)
        if "step" in attrs and (now - attrs["since"]).total_seconds() / attrs["step"] > MAX_STEPS:
            raise serializers.ValidationError({"step": [f"The series would have more than {MAX_STEPS} entries."]})
        return attrs


class ProcessFiguresSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=KINDS)
    processes = serializers.IntegerField()
    memory_bytes = serializers.IntegerField(help_text="Resident memory, with the children of workers.")
    cpu_percent = serializers.FloatField(help_text="In percent of one core, with the children of workers.")


class StepFiguresSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="Beginning of the step.")
    started = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    timed_out = serializers.IntegerField()
    average_execution_ms = serializers.FloatField(allow_null=True)
    average_queue_ms = serializers.FloatField(allow_null=True)


class InstallationMetricsSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    since = serializers.DateTimeField(help_text="Beginning of the span of the averages.")
    worker_utilisation_percent = serializers.FloatField(
        allow_null=True, help_text="Share of the workers' slots that are busy. Null: no worker reports."
    )
    busy_slots = serializers.IntegerField(allow_null=True, help_text="Null while Redis does not respond.")
    slots = serializers.IntegerField(allow_null=True)
    memory_bytes = serializers.IntegerField(allow_null=True, help_text="Of all processes of the platform.")
    cpu_percent = serializers.FloatField(allow_null=True, help_text="Of all processes, in percent of one core.")
    processes = ProcessFiguresSerializer(many=True, help_text="Empty while Redis does not respond.")
    active_executions = serializers.IntegerField(help_text="Executions that run now.")
    queued_executions = serializers.IntegerField()
    waiting_executions = serializers.IntegerField(help_text="Waiting or paused.")
    executions_per_minute = serializers.FloatField(help_text="Live executions that ended, on average since `since`.")
    average_execution_ms = serializers.FloatField(
        allow_null=True, help_text="Of live executions that completed since `since` and were not served from the cache."
    )
    cache_hit_rate = serializers.FloatField(
        allow_null=True, help_text="Hits per lookup since the beginning, from 0 to 1. Null: no lookup yet."
    )
    series = StepFiguresSerializer(many=True, required=False, help_text="Only with `step`; empty steps are left out.")


class InstallationMetricsView(APIView):
    permission_classes = [MayReadMetrics, HasTokenScope]

    @extend_schema(
        parameters=[MetricsQuerySerializer],
        responses={
            200: InstallationMetricsSerializer,
            403: OpenApiResponse(description="The caller is not staff and not at an allowed address."),
        },
    )
    def get(self, request: Request) -> Response:
        """Return figures of the whole installation: load, throughput and durations. For callers from this machine, from
        METRICS_ALLOW, and for staff."""
        query = MetricsQuerySerializer.of(request).validated_data
        advance(ADVANCE_SECONDS)
        now = datetime.now(UTC)
        span = RollupSpan(query["since"], now + timedelta(minutes=1))
        sums = reading.together(span, None)
        minutes = max((now - query["since"]).total_seconds() / 60, 1.0)
        figures: dict[str, Any] = {
            "time": now,
            "since": query["since"],
            **_of_processes(store.measured()),
            **_unended(),
            "executions_per_minute": round(sums.ended / minutes, 3),
            "average_execution_ms": sums.mean_ms,
        }
        if "step" in query:
            steps = reading.by_step(span, timedelta(seconds=query["step"]), None)
            figures["series"] = [_of_step(at, its) for at, its in steps.items()]
        return Response(InstallationMetricsSerializer(figures).data)


def _of_processes(measured: store.Measured) -> dict[str, Any]:
    gauges, cumulative = measured.gauges, measured.cumulative
    hits, misses = (
        sum(values[0] for series, values in cumulative.items() if series.partition("{")[0] == each.name)
        for each in (CACHE_HITS, CACHE_MISSES)
    )
    figures: dict[str, Any] = {
        "cache_hit_rate": hits / (hits + misses) if hits + misses else None,
        "processes": [],
        **dict.fromkeys(("worker_utilisation_percent", "busy_slots", "slots", "memory_bytes", "cpu_percent")),
    }
    if gauges is None:
        return figures

    def value(name: str, **labels: str) -> float:
        return gauges.get(series_name(name, labels), 0.0)

    busy, free = (value(SLOTS.name, state=state) for state in ("busy", "free"))
    processes = [
        {
            "kind": kind,
            "processes": value(PROCESSES.name, kind=kind),
            "memory_bytes": value(MEMORY.name, kind=kind),
            "cpu_percent": round(value(CPU.name, kind=kind), 1),
        }
        for kind in KINDS
    ]
    return figures | {
        "busy_slots": busy,
        "slots": busy + free,
        "worker_utilisation_percent": round(100 * busy / (busy + free), 1) if busy + free else None,
        "memory_bytes": sum(value(MEMORY.name, kind=kind) for kind in KINDS),
        "cpu_percent": round(sum(value(CPU.name, kind=kind) for kind in KINDS), 1),
        "processes": processes,
    }


def _unended() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_UNENDED)
        names = ("active_executions", "queued_executions", "waiting_executions")
        return dict(zip(names, cursor.fetchone(), strict=True))


def _of_step(at: datetime, sums: ExecutionSums) -> dict[str, Any]:
    counts = {name: getattr(sums, name) for name in ("started", "completed", "failed", "cancelled", "timed_out")}
    return {"at": at, **counts, "average_execution_ms": sums.mean_ms, "average_queue_ms": sums.mean_wait_ms}

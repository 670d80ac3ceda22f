"""`/api/workflows/{id}/statistics/`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.listing.statistics import MAX_DAYS, MOST_EXECUTIONS, RECENT, statistics
from executions.models import Workflow
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.inputs import QuerySerializer


class WorkflowStatisticsQuerySerializer(QuerySerializer):
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=7, help_text="Days in UTC, with today.")


class SpreadSerializer(serializers.Serializer[Any]):
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)
    now_ms = serializers.FloatField(
        allow_null=True, help_text=f"The median of the newest {RECENT} completed executions."
    )


class DayFiguresSerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    executions = serializers.IntegerField()
    failed = serializers.IntegerField()
    p50_ms = serializers.FloatField(allow_null=True)


class NodeFiguresSerializer(serializers.Serializer[Any]):
    node = serializers.CharField()
    name = serializers.CharField()
    runs = serializers.IntegerField()
    failed = serializers.IntegerField()
    cache_hits = serializers.IntegerField()
    spread = SpreadSerializer()
    trend = serializers.ListField(
        child=serializers.FloatField(allow_null=True), help_text="The median of each day, parallel to `days`."
    )


class WorkflowStatisticsSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    executions = serializers.IntegerField(help_text=f"Live executions that have ended; the newest {MOST_EXECUTIONS}.")
    more = serializers.BooleanField(help_text="Whether the days have more executions than were counted.")
    statuses = serializers.DictField(child=serializers.IntegerField())
    spread = SpreadSerializer()
    days = DayFiguresSerializer(many=True)
    nodes = NodeFiguresSerializer(
        many=True, allow_null=True, help_text="Null if counting took too long: choose fewer days."
    )


class WorkflowStatisticsView(APIView):
    @extend_schema(parameters=[WorkflowStatisticsQuerySerializer], responses=WorkflowStatisticsSerializer)
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """Show how often executions and nodes of a workflow succeed, and how long they take."""
        query = WorkflowStatisticsQuerySerializer.of(request)
        rows = Workflow.objects.filter(deleted_at__isnull=True).select_related("latest_version")
        workflow = get_visible_or_404(rows, request.user, pk=workflow_id)
        return Response(WorkflowStatisticsSerializer(asdict(statistics(workflow, query.validated_data["days"]))).data)

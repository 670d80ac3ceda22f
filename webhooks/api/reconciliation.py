"""`/api/webhooks/reconciliation/`: per hour, whether events due = delivered + pending + failed + cancelled."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.maintenance import reconciliation
from webhooks.models import Endpoint, HourCount, Violation
from workflow_platform.core.accounts.models import Role, TokenScope
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.api.inputs import BodySerializer, Moment, QueryBoolean, QuerySerializer
from workflow_platform.core.api.pagination import CursorPages, NewestFirst


class HourCountSerializer(serializers.ModelSerializer[HourCount]):
    """The events of an hour that were due at an endpoint, and their deliveries by status."""

    endpoint_name = serializers.CharField(source="endpoint.name", read_only=True)
    balanced = serializers.SerializerMethodField(
        help_text="The counts match: no delivery is missing, duplicate or surplus."
    )

    class Meta:
        model = HourCount
        fields = [
            "endpoint", "endpoint_name", "hour", "due", "delivered", "pending", "failed", "cancelled", "violations",
            "balanced", "checked_at", "final",
        ]  # fmt: skip
        read_only_fields = fields

    def get_balanced(self, row: HourCount) -> bool:
        return not row.violations and row.due == row.delivered + row.pending + row.failed + row.cancelled


class ViolationSerializer(serializers.ModelSerializer[Violation]):
    """An event whose deliveries do not match."""

    endpoint_name = serializers.CharField(source="endpoint.name", read_only=True)

    class Meta:
        model = Violation
        fields = ["id", "endpoint", "endpoint_name", "hour", "event_id", "kind", "found_at"]
        read_only_fields = fields


class ReconciliationFilterSerializer(QuerySerializer):
    endpoint = serializers.UUIDField(required=False)
    since = Moment(required=False, help_text="Hours that begin at this time or later.")
    until = Moment(required=False, help_text="Hours that begin before this time.")
    unbalanced = QueryBoolean(default=False, help_text="Only hours with violations.")

    def chosen(self) -> dict[str, Any]:
        """Return the filter of the validated data, as keyword arguments of Django."""
        names = {"endpoint": "endpoint_id", "since": "hour__gte", "until": "hour__lt"}
        return {names[name]: value for name, value in self.validated_data.items() if name in names}


class CheckSerializer(BodySerializer):
    endpoint = serializers.UUIDField()
    hour = Moment(help_text="Any time within the hour.")
    repair = serializers.BooleanField(default=False, help_text="Create the missing deliveries.")


class CheckedSerializer(serializers.Serializer[Any]):
    repaired = serializers.IntegerField(help_text="The number of missing deliveries that were created.")
    hours = HourCountSerializer(many=True, help_text="The hour as counted now; empty if nothing was due.")


class ByHour(CursorPages):
    """The newest hour first."""

    ordering = ("-hour", "-id")
    page_size = 100
    max_page_size = 1_000


class ReconciliationViewSet(viewsets.GenericViewSet[HourCount]):
    serializer_class = HourCountSerializer
    queryset = HourCount.objects.none()
    pagination_class = ByHour
    token_scopes = {ELSE: TokenScope.RUN}

    def _endpoints(self) -> Any:
        return Endpoint.objects.visible_to(self.request.user).order_by().values("pk")

    def get_queryset(self) -> QuerySet[HourCount]:
        """Return the counts of the endpoints that the caller may see, including deleted ones."""
        return HourCount.objects.filter(endpoint__in=self._endpoints()).select_related("endpoint")

    @extend_schema(parameters=[ReconciliationFilterSerializer])
    def list(self, request: Request) -> Response:
        """List, by endpoint and hour, the events due and their deliveries: delivered, pending, failed and cancelled."""
        query = self._filter(request)
        rows = self.get_queryset().filter(**query.chosen())
        if query.validated_data["unbalanced"]:
            rows = rows.filter(violations__gt=0)
        return self.get_paginated_response(HourCountSerializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(parameters=[ReconciliationFilterSerializer], responses={200: ViolationSerializer(many=True)})
    @action(detail=False, pagination_class=NewestFirst)
    def violations(self, request: Request) -> Response:
        """List the events whose deliveries do not match, the latest found first."""
        rows = Violation.objects.filter(endpoint__in=self._endpoints()).select_related("endpoint")
        rows = rows.filter(**self._filter(request).chosen())
        page: Any = self.paginate_queryset(cast(Any, rows))
        return self.get_paginated_response(ViolationSerializer(page, many=True).data)

    @extend_schema(request=CheckSerializer, responses={200: CheckedSerializer, 404: None})
    @action(detail=False, methods=["post"], pagination_class=None)
    def check(self, request: Request) -> Response:
        """Count an hour of an endpoint now, and optionally create missing deliveries. For editors."""
        body = CheckSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        endpoint = get_visible_or_404(Endpoint.objects.all(), request.user, Role.EDITOR, pk=data["endpoint"])
        hour = reconciliation.hour_of(data["hour"])
        repaired = reconciliation.repair(hour, endpoint.pk) if data["repair"] else 0
        if not data["repair"]:
            reconciliation.reconcile(hour, endpoint.pk)
        rows = self.get_queryset().filter(endpoint=endpoint, hour=hour)
        return Response(CheckedSerializer({"repaired": repaired, "hours": rows}).data)

    def _filter(self, request: Request) -> ReconciliationFilterSerializer:
        return ReconciliationFilterSerializer.of(request)

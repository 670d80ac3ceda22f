"""`/api/webhooks/inbound/`: the log of requests to /hooks/, including rejected ones with the reason."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from events.log.partitions import first_id
from webhooks.delivery_filter import SLACK
from webhooks.models import InboundRequest
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.api.inputs import Moment, QueryBoolean, QuerySerializer

_FAR = 2**37


class InboundRequestSerializer(serializers.ModelSerializer[InboundRequest]):
    workflow = serializers.UUIDField(source="workflow_id", allow_null=True)
    node = serializers.CharField(source="node_id")
    execution = serializers.UUIDField(source="execution_id", allow_null=True)

    class Meta:
        model = InboundRequest
        fields = [
            "id", "workspace", "workflow", "node", "execution", "received_at", "method", "path", "address",
            "content_type", "body_bytes", "message_id", "test", "accepted", "status_code", "reason",
        ]  # fmt: skip
        read_only_fields = fields


class InboundRequestDetailSerializer(InboundRequestSerializer):
    """A request to /hooks/ with its headers, query and body. Secret headers are masked."""

    class Meta(InboundRequestSerializer.Meta):
        fields = [*InboundRequestSerializer.Meta.fields, "headers", "query", "body"]
        read_only_fields = fields


class InboundFilterSerializer(QuerySerializer):
    workflow = serializers.UUIDField(required=False)
    execution = serializers.UUIDField(required=False)
    path = serializers.CharField(required=False, max_length=300, help_text="The path after /hooks/.")
    method = serializers.CharField(required=False, max_length=20)
    accepted = QueryBoolean(required=False)
    test = QueryBoolean(required=False)
    status_code = serializers.IntegerField(required=False, min_value=100, max_value=599)
    since = Moment(required=False, help_text="Received at this time or later.")
    until = Moment(required=False, help_text="Received before this time.")

    def chosen(self) -> dict[str, Any]:
        """Return the filter of the validated data, as keyword arguments of Django."""
        names = {
            "workflow": "workflow_id", "execution": "execution_id", "path": "path", "method": "method__iexact",
            "accepted": "accepted", "test": "test", "status_code": "status_code", "since": "received_at__gte",
            "until": "received_at__lt",
        }  # fmt: skip
        terms = {names[name]: value for name, value in self.validated_data.items() if value is not None}
        since = self.validated_data.get("since")
        if since is not None and 0 < (since - SLACK).timestamp() < _FAR:
            terms["id__gte"] = first_id(since - SLACK)
        return terms


class InboundViewSet(viewsets.GenericViewSet[InboundRequest]):
    serializer_class = InboundRequestSerializer
    queryset = InboundRequest.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_queryset(self) -> QuerySet[InboundRequest]:
        """Return the requests to the caller's workflows; for staff also requests without a workflow."""
        user = self.request.user
        visible = Q(workspace__in=list(Workspace.objects.visible_to(user).order_by().values_list("pk", flat=True)))
        if user.is_active and user.is_staff:
            visible |= Q(workspace=None)
        return InboundRequest.objects.filter(visible)

    @extend_schema(parameters=[InboundFilterSerializer])
    def list(self, request: Request) -> Response:
        """List inbound requests, newest first."""
        query = InboundFilterSerializer.of(request)
        rows = self.get_queryset().filter(**query.chosen()).defer("headers", "query", "body")
        return self.get_paginated_response(InboundRequestSerializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(responses=InboundRequestDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Retrieve an inbound request with its headers, query and body."""
        return Response(InboundRequestDetailSerializer(self.get_object()).data)

"""`/api/trace/`: the trace of an execution, found by any of its parts."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.traces.lookup import focus_of
from executions.traces.trace import trace
from workflow_platform.core.api.inputs import QuerySerializer

NAMES = ("execution", "delivery", "inbound", "event")


class TraceQuerySerializer(QuerySerializer):
    execution = serializers.UUIDField(required=False, help_text="The id of an execution.")
    delivery = serializers.UUIDField(required=False, help_text="The id of a delivery.")
    inbound = serializers.UUIDField(required=False, help_text="The id of an inbound request.")
    event = serializers.UUIDField(required=False, help_text="The id of an event.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one parameter."""
        if len(attrs) != 1:
            raise serializers.ValidationError({"execution": [f"Give exactly one of {', '.join(NAMES)}."]})
        return attrs


class TraceView(APIView):
    @extend_schema(parameters=[TraceQuerySerializer], responses={200: dict, 404: None})
    def get(self, request: Request) -> Response:
        """Return everything that is connected: inbound request → execution → node run → event → delivery → attempt."""
        query = TraceQuerySerializer.of(request)
        ((kind, pk),) = query.validated_data.items()
        return Response(trace(focus_of(request.user, kind, pk)))

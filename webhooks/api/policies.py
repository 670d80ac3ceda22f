"""`/api/webhooks/retry-presets/`: the retry presets, and the preview of a policy."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webhooks.api.policy_fields import PresetSerializer, RetryPolicySerializer
from webhooks.endpoints import policies
from workflow_platform.core.accounts.models import TokenScope


class RetryPresetsView(APIView):
    @extend_schema(operation_id="webhooks_retry_presets_list", responses={200: PresetSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """List the retry presets with their attempts, delays and total duration."""
        return Response(policies.presets())


class RetryPreviewView(APIView):
    token_scopes = {"post": TokenScope.READ}

    @extend_schema(request=RetryPolicySerializer, responses={200: RetryPolicySerializer})
    def post(self, request: Request) -> Response:
        """Preview a retry policy: its attempts, delays and total duration. Nothing is saved."""
        body = RetryPolicySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.to_representation(body.validated_data))

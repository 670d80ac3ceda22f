"""`/api/webhooks/retry-presets/`: what retry policies come to, in words."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webhooks.api.policy_fields import PresetSerializer, RetryPolicySerializer
from webhooks.endpoints import policies


class RetryPresetsView(APIView):
    @extend_schema(operation_id="webhooks_retry_presets_list", responses={200: PresetSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """The presets: how many attempts, how far apart, and how long it goes on."""
        return Response(policies.presets())


class RetryPreviewView(APIView):
    @extend_schema(request=RetryPolicySerializer, responses={200: RetryPolicySerializer})
    def post(self, request: Request) -> Response:
        """What a policy would come to; nothing is saved."""
        body = RetryPolicySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.to_representation(body.validated_data))

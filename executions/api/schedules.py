"""`/api/workflows/{id}/schedules/` and `/api/schedules/preview/`."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from pydantic import ValidationError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.models import Missed
from executions.nodes.schedule_trigger import ScheduleTriggerParameters
from executions.triggers import schedules
from workflow_platform.core.accounts.models import TokenScope
from workflow_platform.core.api.inputs import BodySerializer
from workflow_platform.core.api.problems import Problem
from workflow_platform.core.validation import field_errors


class ScheduleSerializer(serializers.Serializer[Any]):
    node = serializers.CharField()
    cron = serializers.CharField(allow_null=True)
    interval_seconds = serializers.IntegerField(allow_null=True)
    timezone = serializers.CharField()
    missed = serializers.ChoiceField(choices=Missed.choices)
    words = serializers.CharField(help_text="The rule in words.")
    next = serializers.ListField(
        child=serializers.DateTimeField(), help_text="The next times; empty while the workflow is inactive."
    )
    last_at = serializers.DateTimeField(allow_null=True, help_text="The planned time of the last execution.")
    last_fired_at = serializers.DateTimeField(allow_null=True)
    last_execution = serializers.UUIDField(allow_null=True)
    last_error = serializers.CharField(help_text="Why the last firing started no execution; empty if it started one.")
    last_error_at = serializers.DateTimeField(allow_null=True)


class PreviewRequestSerializer(BodySerializer):
    closed = True

    cron = serializers.CharField(required=False, allow_null=True)
    interval_seconds = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    timezone = serializers.CharField(required=False, default="UTC")
    missed = serializers.ChoiceField(choices=Missed.choices, required=False)


class PreviewSerializer(serializers.Serializer[Any]):
    words = serializers.CharField()
    next = serializers.ListField(child=serializers.DateTimeField())


class PreviewView(APIView):
    """A preview of a schedule trigger with these parameters. Nothing is saved."""

    token_scopes = {"post": TokenScope.READ}

    @extend_schema(request=PreviewRequestSerializer, responses={200: PreviewSerializer})
    def post(self, request: Request) -> Response:
        """Return the rule in words, and its next five times if it were activated now."""
        PreviewRequestSerializer(data=request.data).is_valid(raise_exception=True)
        try:
            parameters = ScheduleTriggerParameters.model_validate(request.data)
        except ValidationError as error:
            errors = field_errors(error)
            fields = [{"field": each.path, "message": each.message, "code": each.code} for each in errors]
            raise Problem(400, " ".join(map(str, errors[:3])), fields) from None
        now = timezone.now()
        rule = parameters.rule(anchor=now.replace(microsecond=0))
        return Response(
            PreviewSerializer({"words": rule.in_words(), "next": rule.following(now, schedules.SHOWN)}).data
        )

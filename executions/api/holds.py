"""`GET /api/executions/{id}/holds/` and `POST /api/executions/{id}/debug/`: node runs that wait for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api.serializers import ExecutionDetailSerializer, HoldSerializer
from executions.holds import Answer, BadAnswer, answer, may_debug, shown_holds
from executions.models import Execution
from executions.waits.waits import NotWaiting
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.accounts.shortcuts import get_visible_or_404, refused
from workflow_platform.core.api.inputs import BodySerializer, QuerySerializer
from workflow_platform.core.api.problems import Problem

ANSWERS = ("retry", "skip", "route", "fail")
STEPS = ("continue", "step_over", "step_into", "step_out", "run_to")
"""Actions at breakpoints, which no hold is at yet."""


class ItemsByName(serializers.DictField):
    """Items by input or output. A list of items is that of `main`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.ListField(child=serializers.DictField()), required=False, **options)


class DebugSerializer(BodySerializer):
    closed = True
    hold = serializers.UUIDField()
    action = serializers.ChoiceField(
        choices=ANSWERS,
        help_text="`retry`: another attempt, with what is edited. `skip`: the node completes with `output`, or its"
        " items pass it by. `route`: its items go to the output `to` as errors. `fail`: the execution fails.",
    )
    input = ItemsByName(help_text="retry: items by input, instead of those that the node received.")
    parameters = serializers.DictField(required=False, help_text="retry: the node's parameters, for this run only.")
    latest = serializers.BooleanField(
        required=False, help_text="retry: take the node from the latest version of the workflow."
    )
    output = ItemsByName(help_text="skip: items by output.")
    to = serializers.CharField(
        max_length=100, required=False, help_text="route: an output of the node; by default `error`."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. A list of items is that of `main`."""
        if isinstance(data, Mapping):
            lists = {name: {"main": data[name]} for name in ("input", "output") if isinstance(data.get(name), list)}
            data = {**data, **lists}
            if data.get("action") in STEPS:
                message = (
                    f"{data['action']!r} answers a hold at a breakpoint. A failed node takes {', '.join(ANSWERS)}."
                )
                raise serializers.ValidationError({"action": [message]})
        return super().to_internal_value(data)


class HoldsQuerySerializer(QuerySerializer):
    limit = serializers.IntegerField(
        min_value=0, max_value=1_000, default=100, help_text="The most items of each input and output."
    )


class HoldAnswerSerializer(serializers.Serializer[Any]):
    """What was said to a hold. Fields that were not given are missing."""

    action = serializers.ChoiceField(choices=ANSWERS)
    by = serializers.CharField()
    at = serializers.DateTimeField()
    what = serializers.ListField(
        child=serializers.ChoiceField(choices=["input", "parameters", "definition", "output"]),
        help_text="What the answer changed.",
    )
    input = serializers.DictField(required=False, help_text="The new input: items by input, at most `limit` of each.")
    parameters = serializers.DictField(required=False, help_text="The new parameters.")
    output = serializers.DictField(required=False)
    to = serializers.CharField(required=False)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return instance


class HoldDetailSerializer(serializers.Serializer[Any]):
    """A hold, what it is about, and what was answered."""

    hold = HoldSerializer()
    state = serializers.ChoiceField(choices=["open", "answered", "expired", "withdrawn"])
    may_answer = serializers.SerializerMethodField(help_text="Whether the caller can answer it now.")
    node_type = serializers.CharField(source="subject.run.node_type")
    name = serializers.CharField(source="subject.run.name")
    outputs = serializers.ListField(
        child=serializers.CharField(), source="subject.outputs", help_text="Where items can be sent to."
    )
    input = serializers.DictField(help_text="The input of the attempt: items by input, at most `limit` of each.")
    totals = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many items each input has; `limit` may leave some out."
    )
    parameters = serializers.DictField(help_text="The parameters of the attempt, before expressions.")
    answer = HoldAnswerSerializer(allow_null=True)

    def get_may_answer(self, shown: Any) -> bool:
        return bool(self.context["may_debug"]) and shown.state == "open"


class HoldActions(viewsets.GenericViewSet[Execution]):
    """The actions of `/api/executions/` on holds."""

    @extend_schema(parameters=[HoldsQuerySerializer], responses={200: HoldDetailSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def holds(self, request: Request, pk: str) -> Response:
        """List the holds of an execution, newest first, at most 100: those that wait, and those that are over with what
        was answered. For viewers, values under the name of a secret are masked."""
        execution = self._debugged(request, pk, Role.VIEWER)
        limit = HoldsQuerySerializer.of(request).validated_data["limit"]
        permitted = may_debug(request.user, execution)
        shown = shown_holds(execution, whole=permitted, limit=limit)
        return Response(HoldDetailSerializer(shown, many=True, context={"may_debug": permitted}).data)

    @extend_schema(request=DebugSerializer, responses={202: ExecutionDetailSerializer})
    @action(detail=True, methods=["post"])
    def debug(self, request: Request, pk: str) -> Response:
        """Answer a hold: the node run goes on as the answer says. 400 if the answer cannot be used. 409 if the hold is
        over, or is none of this execution.

        What is edited counts for this node run only. An edited attempt sends a credential only to hosts that the
        credential lists, or to which the node sent it before, unless an admin of the workspace answers."""
        execution = self._debugged(request, pk, Role.EDITOR)
        body = DebugSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        hold = body.validated_data.pop("hold")
        try:
            answer(execution, hold, Answer(**body.validated_data), cast(User, request.user))
        except BadAnswer as error:
            fields = [{"field": error.field, "message": str(error), "code": "invalid"}]
            raise Problem(400, f"{error.field}: {error}", fields) from None
        except NotWaiting:
            raise Problem(
                409, f"The hold {hold} is over, or is none of this execution. GET …/holds/ shows what was answered."
            ) from None
        execution = self._debugged(request, pk, Role.EDITOR)
        detail = ExecutionDetailSerializer(execution, context={"request": request}).data
        return Response(detail, status=status.HTTP_202_ACCEPTED)

    def _debugged(self, request: Request, pk: str, role: Role) -> Execution:
        rows = Execution.objects.select_related("workflow", "version", "stream", "workspace")
        execution: Execution = get_visible_or_404(rows, request.user, pk=pk)
        if role is not Role.VIEWER and not may_debug(request.user, execution):
            raise PermissionDenied(refused(request.user, role))
        return execution

"""`/api/insights/`: what holds a workspace back, and advice that can be applied, taken back and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.admission.explanation import Reason
from executions.admission.rq_queues import PRIORITIES
from executions.api.workflows import invalid_graph
from executions.domain.graph import InvalidGraph
from executions.insights import applying, automatic, now
from executions.models import Insight, InsightKind, InsightStatus
from executions.models.insight import is_staff
from workflow_platform.core.accounts.models import Role, TokenScope, User, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.api.inputs import BodySerializer, QuerySerializer
from workflow_platform.core.api.problems import Problem


class FigureSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    unit = serializers.CharField(help_text="s: seconds. share: from 0 to 1. bytes. count.")
    text = serializers.CharField()


class InsightActionSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["set_node", "set_settings"])
    node = serializers.CharField(required=False, help_text="set_node: the id of the node.")
    before = serializers.DictField(
        help_text="The values that it replaces. If they changed, it cannot be applied (409)."
    )
    changes = serializers.DictField(help_text="The new values.")


class InsightSerializer(serializers.ModelSerializer[Insight]):
    figure = FigureSerializer(read_only=True)
    action = InsightActionSerializer(read_only=True, allow_null=True)
    by = serializers.CharField(source="by.username", default=None, read_only=True, allow_null=True)
    subject = serializers.DictField(read_only=True)
    evidence = serializers.DictField(read_only=True)

    class Meta:
        model = Insight
        fields = [
            "id", "workspace", "workflow", "kind", "status", "subject", "evidence", "figure", "action", "raised_at",
            "seen_at", "changed_at", "by", "automatic_at", "version_before", "version_applied",
        ]  # fmt: skip
        read_only_fields = fields


class MeasuredSerializer(serializers.Serializer[Any]):
    n = serializers.IntegerField(help_text="Observations.")
    value = serializers.FloatField(allow_null=True)


class InsightChangeSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=InsightStatus.choices)
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_null=True, help_text="Null: the platform.")


class OutcomeSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=InsightStatus.choices)
    measure = serializers.CharField(
        allow_null=True, help_text="What was measured: median_wait_s, mean_ms, mean_failed_ms."
    )
    before = MeasuredSerializer(allow_null=True)
    after = MeasuredSerializer(allow_null=True)
    version_before = serializers.IntegerField(allow_null=True)
    version_applied = serializers.IntegerField(allow_null=True)
    history = InsightChangeSerializer(many=True)


class InsightFilterSerializer(QuerySerializer):
    kind = serializers.MultipleChoiceField(choices=InsightKind.choices, required=False)
    status = serializers.MultipleChoiceField(choices=InsightStatus.choices, required=False)
    workspace = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)


class NowFilterSerializer(QuerySerializer):
    workspace = serializers.UUIDField(required=False)


class QueueNowSerializer(serializers.Serializer[Any]):
    queue = serializers.ChoiceField(choices=PRIORITIES, help_text="The priority; tests are in `low`.")
    arrivals_per_s = serializers.FloatField(help_text="Over the last minute.")
    waiting = serializers.IntegerField()
    wait_s = serializers.FloatField(
        allow_null=True, help_text="By Little's law: `waiting` by `arrivals_per_s`; null without arrivals."
    )
    oldest_s = serializers.FloatField(help_text="How long the oldest one has waited.")


class LimitNowSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=get_args(Reason))
    name = serializers.CharField(help_text="Of the workflow or workspace; empty: of the installation.")
    workflow = serializers.UUIDField(allow_null=True)
    workspace = serializers.UUIDField(allow_null=True)
    limit = serializers.IntegerField()
    in_use = serializers.IntegerField()
    waiting = serializers.IntegerField()
    wait_s = serializers.FloatField(allow_null=True)


class WorkersNowSerializer(serializers.Serializer[Any]):
    alive = serializers.IntegerField(allow_null=True, help_text="Null: Redis does not respond.")
    slots = serializers.IntegerField(allow_null=True)
    busy = serializers.IntegerField(help_text="Executions that run.")
    starving = serializers.IntegerField(help_text="Workers whose executions are delayed.")


class ServerNowSerializer(serializers.Serializer[Any]):
    round_trip_s = serializers.FloatField(allow_null=True, help_text="Of this request; null: no response.")
    mean_s = serializers.FloatField(
        allow_null=True, help_text="Of commits of workers, or of round trips to Redis, in the last ten minutes."
    )
    p95_s = serializers.FloatField(allow_null=True, help_text="A bound that 95 % did not exceed.")
    usual_mean_s = serializers.FloatField(allow_null=True, help_text="Of the day before.")
    connections = serializers.IntegerField(allow_null=True)
    most_connections = serializers.IntegerField(allow_null=True)


class NowSerializer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField(help_text="Queued executions.")
    bottleneck = serializers.ChoiceField(
        choices=get_args(Reason), allow_null=True, help_text="Why most of them wait; null: none is held back."
    )
    reasons = serializers.DictField(child=serializers.IntegerField(), help_text="How many wait, by why.")
    queues = QueueNowSerializer(many=True)
    limits = LimitNowSerializer(many=True, help_text="Those that are reached while executions wait, at most 20.")
    workers = WorkersNowSerializer()
    database = ServerNowSerializer(allow_null=True, help_text="For staff.")
    redis = ServerNowSerializer(allow_null=True, help_text="For staff.")


class AutomaticAdviceSerializer(BodySerializer):
    closed = True

    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=[kind.value for kind in automatic.KINDS]),
        max_length=len(automatic.KINDS),
        help_text="The kinds of advice that the platform applies by itself. Empty: none.",
    )


class AutomaticAdviceView(APIView):
    @extend_schema(responses=AutomaticAdviceSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """Show which kinds of advice the platform applies by itself in a workspace."""
        workspace = get_visible_or_404(Workspace.objects.all(), request.user, pk=workspace_id)
        return Response({"kinds": automatic.kinds_of(workspace)})

    @extend_schema(request=AutomaticAdviceSerializer, responses=AutomaticAdviceSerializer)
    def put(self, request: Request, workspace_id: UUID) -> Response:
        """Choose them, as an admin of the workspace. Each change is in the audit log, and is taken back if its outcome
        is worse than before."""
        workspace = get_visible_or_404(Workspace.objects.all(), request.user, Role.ADMIN, pk=workspace_id)
        body = AutomaticAdviceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({"kinds": automatic.switch(workspace, body.validated_data["kinds"], user_of(request))})


class InsightViewSet(viewsets.GenericViewSet[Insight]):
    serializer_class = InsightSerializer
    queryset = Insight.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.EDIT}

    def get_queryset(self) -> QuerySet[Insight]:
        """Return the insights of the caller's workspaces."""
        return Insight.objects.visible_to(self.request.user).select_related("by")

    @extend_schema(parameters=[InsightFilterSerializer])
    def list(self, request: Request) -> Response:
        """List insights, newest first."""
        rows = self.get_queryset()
        chosen = InsightFilterSerializer.of(request).validated_data
        for name in ("kind", "status"):
            if values := chosen.get(name):
                rows = rows.filter(**{f"{name}__in": values})
        for name in ("workspace", "workflow"):
            if value := chosen.get(name):
                rows = rows.filter(**{name: value})
        return self.get_paginated_response(InsightSerializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(parameters=[NowFilterSerializer], responses={200: NowSerializer}, filters=False)
    @action(detail=False, pagination_class=None)
    def now(self, request: Request) -> Response:
        """Return what holds your executions back at this moment: queues, limits, reasons and workers; to staff also
        the database and Redis. Ask every few seconds at most."""
        visible = Workspace.objects.visible_to(request.user)
        if (chosen := NowFilterSerializer.of(request).validated_data.get("workspace")) is not None:
            visible = visible.filter(pk=chosen)
        found = now.look(list(visible.values_list("pk", flat=True)), staff=is_staff(request.user))
        return Response(NowSerializer(found).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(InsightSerializer(self._insight(pk)).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Save the change as a new version of the workflow. 409 if it no longer fits."""
        return self._changed(request, pk, applying.apply)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Save a new version without the change, and dismiss the insight. 409 if the values changed since."""
        return self._changed(request, pk, applying.undo)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, pk: str) -> Response:
        """Dismiss an open insight. It is not raised again for a week."""
        return self._changed(request, pk, applying.dismiss)

    @extend_schema(responses={200: OutcomeSerializer}, filters=False)
    @action(detail=True, pagination_class=None)
    def outcome(self, request: Request, pk: str) -> Response:
        """Return what was measured before and after the change, and each change of the status."""
        insight = self._insight(pk)
        outcome = insight.outcome or {"measure": None, "before": None, "after": None}
        versions = {name: getattr(insight, name) for name in ("status", "version_before", "version_applied", "history")}
        return Response(OutcomeSerializer(outcome | versions).data)

    def _insight(self, pk: str, role: Role = Role.VIEWER) -> Insight:
        return get_visible_or_404(Insight.objects.select_related("by"), self.request.user, role, pk=pk)

    def _changed(self, request: Request, pk: str, change: Callable[[Insight, User], None]) -> Response:
        insight = self._insight(pk, Role.EDITOR)
        try:
            change(insight, user_of(request))
        except applying.CannotApply as error:
            raise Problem(409, str(error)) from None
        except InvalidGraph as error:
            raise invalid_graph(error) from None
        return Response(InsightSerializer(self._insight(pk)).data)

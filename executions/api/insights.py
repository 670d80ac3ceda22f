"""`/api/insights/`: what holds a workspace back, and advice that can be applied, taken back and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api.workflows import invalid_graph
from executions.domain.graph import InvalidGraph
from executions.insights import applying, statuses
from executions.models import Insight, InsightKind, InsightStatus
from workflow_platform.core.accounts.models import Role, TokenScope, User
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.api.inputs import QuerySerializer
from workflow_platform.core.api.problems import Problem


class FigureSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    unit = serializers.CharField(help_text="s: seconds. share: from 0 to 1.")
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
            "seen_at", "changed_at", "by", "version_before", "version_applied",
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
        return self._changed(request, pk, _dismiss)

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


def _dismiss(insight: Insight, by: User) -> None:
    if not statuses.change(insight, InsightStatus.DISMISSED, expected={InsightStatus.OPEN}, by=by):
        raise applying.CannotApply(f"This insight is {insight.status}; only open ones can be dismissed.")

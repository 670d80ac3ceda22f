"""`GET /api/executions/{id}/nodes/{node}/children/`: the executions that a node run started."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, ItemChild, NodeRun
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.inputs import QuerySerializer
from workflow_platform.core.api.pagination import NewestFirst


class _ChildrenFilterSerializer(QuerySerializer):
    run_index = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)
    status = serializers.ChoiceField(choices=[s.value for s in ExecutionStatus], required=False)


class _ChildSerializer(serializers.ModelSerializer[Execution]):
    workflow_name = serializers.CharField(source="workflow.name", read_only=True)
    item = serializers.SerializerMethodField(
        help_text="The number of the input item that it was started for, from 0; null if for all items."
    )
    attempt = serializers.SerializerMethodField(
        help_text="The attempt of the node run that started it; null if it was started for all items."
    )

    class Meta:
        model = Execution
        fields = [
            "id", "item", "attempt", "workflow", "workflow_name", "status", "error", "queued_at", "started_at",
            "ended_at",
        ]  # fmt: skip

    def get_item(self, execution: Execution) -> int | None:
        return self._place(execution)[0]

    def get_attempt(self, execution: Execution) -> int | None:
        return self._place(execution)[1]

    def _place(self, execution: Execution) -> tuple[int | None, int | None]:
        places: dict[Any, tuple[int | None, int | None]] = self.context.get("places", {})
        return places.get(execution.pk, (None, None))


class _ChildrenSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many children have each status, whatever `status` selects."
    )
    planned = serializers.IntegerField(help_text="Children that have not started yet, or never did.")
    results = _ChildSerializer(many=True)


class ChildrenActions(viewsets.GenericViewSet[Execution]):
    """The children of node runs."""

    @extend_schema(parameters=[_ChildrenFilterSerializer], responses={200: _ChildrenSerializer})
    @action(detail=True, url_path=r"nodes/(?P<node>[\s\S]{1,100})/children", pagination_class=NewestFirst)
    def children(self, request: Request, pk: str, node: str) -> Response:
        """List the executions that a node run started, newest first, with the item that each was started for."""
        query = _ChildrenFilterSerializer.of(request)
        execution = get_visible_or_404(Execution.objects.only("pk"), request.user, pk=pk)
        runs = NodeRun.objects.filter(execution=execution, node_id=node, run_index=query.validated_data["run_index"])
        run = get_visible_or_404(runs.only("pk"), request.user)
        children = Execution.objects.visible_to(request.user).filter(parent_run=run)
        counts = dict(children.order_by().values_list("status").annotate(Count("pk")))
        if status := query.validated_data.get("status"):
            children = children.filter(status=status)
        rows = children.select_related("workflow").defer("input", "response", "replaced_input", "workflow__description")
        page = self.paginate_queryset(rows) or []
        items = ItemChild.objects.filter(child__in=[row.pk for row in page])
        places = {child: (item, attempt) for child, item, attempt in items.values_list("child", "item", "attempt")}
        shown = self.get_paginated_response(_ChildSerializer(page, many=True, context={"places": places}).data)
        planned = ItemChild.objects.filter(node_run=run, started_at=None, ended_at=None).count()
        results = shown.data.pop("results")
        shown.data |= {"counts": counts, "planned": planned, "results": results}
        return shown

"""`/api/executions/bulk/`: rerun, cancel or delete many executions at once, after a dry run that counts them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions import bulk
from executions.api.execution_filters import CriteriaFields, criteria_of
from executions.api.reruns import ActingInBulkSerializer, RerunOptionsSerializer
from executions.listing.criteria import MAX_IDS
from executions.models import BulkKind, BulkOperation, BulkState
from executions.reruns import FAILED, MAX_PREVIEWED, START
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.inputs import BodySerializer, QuerySerializer
from workflow_platform.core.api.problems import Problem


class ProblemOfExecutionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    detail = serializers.CharField(help_text="Why the execution was not changed.")


class BulkOperationSerializer(serializers.ModelSerializer[BulkOperation]):
    """An operation and its progress. It resumes by itself after a crash."""

    filter = serializers.JSONField(source="criteria", help_text="The filter of the executions.")
    percent = serializers.SerializerMethodField(help_text="Null if the executions were too many to count.")
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)
    problems = serializers.SerializerMethodField(help_text="The first executions that could not be changed.")

    class Meta:
        model = BulkOperation
        fields = [
            "id", "workspace", "kind", "filter", "options", "state", "total", "done", "left_out", "problems",
            "percent", "error", "created_by", "created_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_percent(self, row: BulkOperation) -> float | None:
        if row.state == BulkState.COMPLETED:
            return 100.0
        return round(min(100.0, 100 * (row.done + row.left_out) / row.total), 1) if row.total else None

    @extend_schema_field(ProblemOfExecutionSerializer(many=True))
    def get_problems(self, row: BulkOperation) -> Any:
        return row.problems


class BulkFilterSerializer(CriteriaFields, BodySerializer):
    """A filter of executions, as of the list; all given fields must match."""

    closed = True
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MAX_IDS)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        del fields["workspace"]  # the operation has one
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject a filter that selects everything without saying so."""
        if not attrs:
            raise serializers.ValidationError("The filter is empty. Give at least one field.")
        return super().validate(attrs)


class BulkRequestSerializer(BodySerializer):
    closed = True
    kind = serializers.ChoiceField(
        choices=BulkKind.choices,
        help_text="`rerun` and `delete` change executions that have ended, `cancel` those that have not.",
    )
    filter = BulkFilterSerializer()
    rerun = RerunOptionsSerializer(required=False, help_text="Options of a rerun.")
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")
    dry_run = serializers.BooleanField(default=True, help_text="Only count the executions.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        """Reject options of a rerun for other kinds, and a node without its workflow."""
        options = data.get("rerun")
        if options is not None and data["kind"] != BulkKind.RERUN:
            raise serializers.ValidationError({"rerun": f"`{data['kind']}` has no options of a rerun."})
        if options and options["from"] not in {START, FAILED} and not data["filter"].get("workflow"):
            raise serializers.ValidationError(
                {"rerun": {"from": "A node id requires `filter.workflow`: node ids belong to one workflow."}}
            )
        return data


class BulkPlanSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    count = serializers.IntegerField(allow_null=True, help_text="Null if there are too many to count.")
    by_status = serializers.DictField(child=serializers.IntegerField())
    first_ids = serializers.ListField(child=serializers.UUIDField(), help_text="The first executions, oldest first.")
    nodes = ActingInBulkSerializer(
        many=True,
        help_text=f"For a rerun: the nodes that would write or send again in the first {MAX_PREVIEWED} executions.",
    )
    operation = BulkOperationSerializer(allow_null=True, help_text="The started operation; null for a dry run.")


class BulkListFilterSerializer(QuerySerializer):
    kind = serializers.ChoiceField(choices=BulkKind.choices, required=False)
    state = serializers.ChoiceField(choices=BulkState.choices, required=False)
    workspace = serializers.UUIDField(required=False)


class BulkOperationViewSet(viewsets.GenericViewSet[BulkOperation]):
    serializer_class = BulkOperationSerializer
    queryset = BulkOperation.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.EDIT, "cancel": TokenScope.RUN}

    def get_queryset(self) -> QuerySet[BulkOperation]:
        """Return the operations that the caller may see."""
        return BulkOperation.objects.visible_to(self.request.user).select_related("created_by")

    @extend_schema(parameters=[BulkListFilterSerializer])
    def list(self, request: Request) -> Response:
        """List operations on executions, newest first."""
        query = BulkListFilterSerializer.of(request)
        page = self.paginate_queryset(self.get_queryset().filter(**query.validated_data))
        return self.get_paginated_response(BulkOperationSerializer(page, many=True).data)

    @extend_schema(
        request=BulkRequestSerializer,
        responses={200: BulkPlanSerializer, 202: BulkPlanSerializer},
        parameters=[idempotency.PARAMETER],
    )
    def create(self, request: Request) -> Response:
        """Rerun, cancel or delete all executions of a workspace that match a filter and were queued until now. A dry
        run, the default, only counts them. Deleted executions cannot be restored."""
        body = BulkRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        workspace = workspace_for(user_of(request), data.get("workspace"), Role.EDITOR)
        kind, criteria, options = BulkKind(data["kind"]), criteria_of(data["filter"]), dict(data.get("rerun") or {})
        plan, dry_run, operation = bulk.plan(kind, workspace.pk, criteria, options), data["dry_run"], None
        if not dry_run:
            operation, _ = create_once(
                request,
                lambda pk: BulkOperation.objects.visible_to(request.user).filter(pk=pk).first(),
                lambda: bulk.start(kind, workspace.pk, criteria, options, user_of(request), plan.count),
            )
        shown = BulkPlanSerializer({
            "dry_run": dry_run, "count": plan.count, "by_status": plan.by_status, "first_ids": plan.first_ids,
            "nodes": plan.nodes, "operation": operation,
        })  # fmt: skip
        return Response(shown.data, status=status.HTTP_200_OK if dry_run else status.HTTP_202_ACCEPTED)

    def retrieve(self, request: Request, pk: str) -> Response:
        """Retrieve an operation with its progress."""
        return Response(BulkOperationSerializer(self._operation(pk)).data)

    @extend_schema(request=None, responses={202: BulkOperationSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop an operation. Finished parts stay as they are. 409: the operation has ended."""
        if not bulk.cancel(self._operation(pk, Role.EDITOR)):
            raise Problem(409, f"The operation is {self._operation(pk).state} already and cannot be cancelled.")
        return Response(BulkOperationSerializer(self._operation(pk)).data, status=status.HTTP_202_ACCEPTED)

    def _operation(self, pk: str, role: Role = Role.VIEWER) -> BulkOperation:
        return get_visible_or_404(BulkOperation.objects.select_related("created_by"), self.request.user, role, pk=pk)

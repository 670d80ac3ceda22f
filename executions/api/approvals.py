"""`/api/approvals/`: approval requests, and the decisions on them."""

from __future__ import annotations

from typing import Any, cast

import orjson
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from executions.models import Wait
from executions.waits import approvals, waits
from executions.waits.approval_items import MAX_CHARACTERS, SHOWN, items_of
from workflow_platform.core.accounts.models import TokenScope, User
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.api.inputs import BodySerializer, QuerySerializer
from workflow_platform.core.api.problems import Problem


class ApprovalSerializer(serializers.ModelSerializer[Wait]):
    workflow = serializers.UUIDField(source="execution.workflow_id", read_only=True)
    workflow_name = serializers.CharField(source="execution.workflow.name", read_only=True)
    node = serializers.CharField(source="node_id", read_only=True)
    assignee = serializers.CharField(source="assignee.username", default=None, read_only=True, allow_null=True)
    state = serializers.SerializerMethodField()
    may_decide = serializers.SerializerMethodField(help_text="Whether the caller can approve or reject it now.")
    decided_by = serializers.CharField(source="resolved_by.username", default=None, read_only=True, allow_null=True)
    decided_at = serializers.SerializerMethodField()
    comment = serializers.SerializerMethodField()

    class Meta:
        model = Wait
        fields = [
            "id", "execution", "workflow", "workflow_name", "node", "run_index", "message", "assignee", "state",
            "may_decide", "created_at", "expires_at", "decided_at", "decided_by", "comment",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=approvals.STATES))
    def get_state(self, wait: Wait) -> str:
        return approvals.state_of(wait)

    def get_may_decide(self, wait: Wait) -> bool:
        permitted = approvals.may_decide(wait, self.context["user"], self.context["roles"])
        return permitted and approvals.state_of(wait) == "open"

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_decided_at(self, wait: Wait) -> Any:
        return wait.resolved_at if wait.outcome is not None else None

    def get_comment(self, wait: Wait) -> str:
        return str((wait.outcome or {}).get("comment", ""))


class ApprovalFilterSerializer(QuerySerializer):
    show = serializers.ChoiceField(
        choices=["mine", "open", "decided", "all"],
        default="mine",
        help_text="mine: open approvals that the caller can decide. open: all open approvals. decided: approvals with a"
        " decision. all: every approval.",
    )
    execution = serializers.UUIDField(required=False)
    workspace = serializers.UUIDField(required=False)


class DecisionSerializer(BodySerializer):
    decision = serializers.ChoiceField(choices=approvals.DECISIONS)
    comment = serializers.CharField(max_length=2_000, required=False, default="", allow_blank=True)
    fields = serializers.DictField(  # type: ignore[assignment]
        required=False, default=dict, help_text="Fields to add to each item. They replace fields of the same name."
    )

    def validate_fields(self, value: dict[str, Any]) -> dict[str, Any]:
        """Reject fields that are too large."""
        if (size := len(orjson.dumps(value))) > approvals.MAX_FIELDS_BYTES:
            raise serializers.ValidationError(
                f"The fields have {size} bytes; the limit is {approvals.MAX_FIELDS_BYTES} bytes."
            )
        return value


class ApprovalItemsSerializer(serializers.Serializer[Any]):
    items = serializers.ListField(
        child=serializers.DictField(), help_text=f"The first items, at most {SHOWN}, with secrets masked by name."
    )
    total = serializers.IntegerField(help_text="How many items wait.")
    text = serializers.CharField(help_text=f"The items as indented JSON, at most {MAX_CHARACTERS} characters.")


class ApprovalViewSet(viewsets.GenericViewSet[Wait]):
    serializer_class = ApprovalSerializer
    queryset = Wait.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.RUN}

    def get_queryset(self) -> QuerySet[Wait]:
        rows = Wait.objects.approvals().visible_to(self.request.user)
        return rows.select_related("execution__workflow", "assignee", "resolved_by")

    @extend_schema(parameters=[ApprovalFilterSerializer])
    def list(self, request: Request) -> Response:
        query = ApprovalFilterSerializer.of(request)
        rows = approvals.listed(cast(User, request.user), query.validated_data["show"])
        if execution := query.validated_data.get("execution"):
            rows = rows.filter(execution=execution)
        if workspace := query.validated_data.get("workspace"):
            rows = rows.filter(execution__workspace=workspace)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self._serialized(request, page, many=True))

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._serialized(request, self._approval(request, pk)))

    @extend_schema(request=DecisionSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        """Approve or reject; the execution continues. 403 if the caller is not the assignee. 409 if the approval is
        already decided, has expired, or its execution has ended."""
        wait = self._approval(request, pk)
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            approvals.decide(wait, cast(User, request.user), **body.validated_data)
        except approvals.MayNotDecide as error:
            raise PermissionDenied(str(error)) from None
        except waits.NotWaiting:
            wait.refresh_from_db()
            raise Problem(409, _conflict(wait)) from None
        return Response(self._serialized(request, self._approval(request, pk)))

    @extend_schema(responses={200: ApprovalItemsSerializer})
    @action(detail=True)
    def items(self, request: Request, pk: str) -> Response:
        """Return the data that the decision is about, bounded."""
        return Response(ApprovalItemsSerializer(items_of(self._approval(request, pk))).data)

    def _approval(self, request: Request, pk: str) -> Wait:
        rows = Wait.objects.approvals().select_related("execution__workflow", "assignee", "resolved_by")
        return get_visible_or_404(rows, request.user, pk=pk)

    def _serialized(self, request: Request, wait: Any, *, many: bool = False) -> Any:
        user = cast(User, request.user)
        return ApprovalSerializer(wait, many=many, context={"user": user, "roles": approvals.roles_of(user)}).data


def _conflict(wait: Wait) -> str:
    state = approvals.state_of(wait)
    if wait.outcome is not None:
        return f"This approval is already decided: {state} by {wait.outcome['by']} at {wait.outcome['at']}."
    if state == "expired":
        return "This approval has expired."
    return "This approval is closed: its execution has ended or no longer waits for it."

"""`/api/approvals/`: what people are asked to decide, and their decisions."""

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
from workflow_platform.core.accounts.models import User
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.inputs import BodySerializer, QuerySerializer
from workflow_platform.core.api.problems import Problem


class ApprovalSerializer(serializers.ModelSerializer[Wait]):
    workflow = serializers.UUIDField(source="execution.workflow_id", read_only=True)
    workflow_name = serializers.CharField(source="execution.workflow.name", read_only=True)
    node = serializers.CharField(source="node_id", read_only=True)
    assignee = serializers.CharField(source="assignee.username", default=None, read_only=True, allow_null=True)
    state = serializers.SerializerMethodField()
    may_decide = serializers.SerializerMethodField(help_text="Whether the caller may decide it now.")
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
        mine = approvals.may_decide(wait, self.context["user"], self.context["roles"])
        return mine and approvals.state_of(wait) == "open"

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_decided_at(self, wait: Wait) -> Any:
        return wait.resolved_at if wait.outcome is not None else None

    def get_comment(self, wait: Wait) -> str:
        return str((wait.outcome or {}).get("comment", ""))


class ApprovalFilterSerializer(QuerySerializer):
    show = serializers.ChoiceField(
        choices=["mine", "open", "decided", "all"],
        default="mine",
        help_text="mine: open and for the caller to decide. open: all open ones. decided: those with a decision.",
    )
    execution = serializers.UUIDField(required=False)


class DecisionSerializer(BodySerializer):
    decision = serializers.ChoiceField(choices=approvals.DECISIONS)
    comment = serializers.CharField(max_length=2_000, required=False, default="", allow_blank=True)
    fields = serializers.DictField(  # type: ignore[assignment]
        required=False, default=dict, help_text="Added to each item, in place of what it has under these names."
    )

    def validate_fields(self, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is too large."""
        if len(orjson.dumps(value)) > approvals.MAX_FIELDS_BYTES:
            raise serializers.ValidationError(f"At most {approvals.MAX_FIELDS_BYTES} bytes are taken.")
        return value


class ApprovalViewSet(viewsets.GenericViewSet[Wait]):
    serializer_class = ApprovalSerializer
    queryset = Wait.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_queryset(self) -> QuerySet[Wait]:
        found = Wait.objects.approvals().visible_to(self.request.user)
        return found.select_related("execution__workflow", "assignee", "resolved_by")

    @extend_schema(parameters=[ApprovalFilterSerializer])
    def list(self, request: Request) -> Response:
        wanted = ApprovalFilterSerializer.of(request)
        found = approvals.listed(cast(User, request.user), wanted.validated_data["show"])
        if execution := wanted.validated_data.get("execution"):
            found = found.filter(execution=execution)
        page = self.paginate_queryset(found)
        return self.get_paginated_response(self._shown(request, page, many=True))

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._shown(request, self._approval(request, pk)))

    @extend_schema(request=DecisionSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        """Approve or reject: the execution goes on. 403 where it is for somebody else; 409 where it is decided, expired
        or its execution has ended."""
        wait = self._approval(request, pk)
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            approvals.decide(wait, cast(User, request.user), **body.validated_data)
        except approvals.MayNotDecide as error:
            raise PermissionDenied(str(error)) from None
        except waits.NotWaiting:
            wait.refresh_from_db()
            raise Problem(409, _too_late(wait)) from None
        return Response(self._shown(request, self._approval(request, pk)))

    def _approval(self, request: Request, pk: str) -> Wait:
        found = Wait.objects.approvals().select_related("execution__workflow", "assignee", "resolved_by")
        return get_visible_or_404(found, request.user, pk=pk)

    def _shown(self, request: Request, wait: Any, *, many: bool = False) -> Any:
        user = cast(User, request.user)
        return ApprovalSerializer(wait, many=many, context={"user": user, "roles": approvals.roles_of(user)}).data


def _too_late(wait: Wait) -> str:
    state = approvals.state_of(wait)
    if wait.outcome is not None:
        return f"It has been decided: {state} by {wait.outcome['by']} at {wait.outcome['at']}."
    return "It has expired." if state == "expired" else "Its execution has ended, or does not wait for it any more."

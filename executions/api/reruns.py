"""`POST /api/executions/{id}/rerun/` and `POST /api/executions/rerun/`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api.serializers import ExecutionSerializer
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle import CannotStart
from executions.models import Execution, Priority
from executions.reruns import (
    FAILED,
    MOST_IN_BULK,
    START,
    CannotRerun,
    NotEnded,
    RerunFilter,
    RerunRequest,
    key_ahead,
    rerun,
    rerun_many,
)
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.inputs import BodySerializer, Moment
from workflow_platform.core.api.problems import Problem

FIRST_SHOWN = 20
ENDED = [s.value for s in ExecutionStatus if s.ended]


class _WantedSerializer(BodySerializer):
    """`from`, which is no name for a field in Python, and what all reruns can be asked for."""

    version = serializers.ChoiceField(choices=["same", "latest"], default="same")
    priority = serializers.ChoiceField(
        choices=Priority.choices, required=False, help_text="By default that of the execution before."
    )

    def get_fields(self) -> dict[str, Any]:
        said = (
            "`start` (the whole), `failed` (the node that failed or was cut off), or a node's id, also as `node:<id>`."
        )
        return {"from": serializers.CharField(max_length=110, default=START, help_text=said)} | super().get_fields()

    def wanted(self) -> RerunRequest:
        """Return what the body asks for."""
        data = self.validated_data
        return RerunRequest(data["from"], data["version"], data.get("input"), data.get("priority"))


class RerunSerializer(_WantedSerializer):
    input = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        max_length=100_000,
        help_text="Replaces what the execution takes in or, with a node in `from`, what that node takes in.",
    )


class BulkRerunSerializer(_WantedSerializer):
    workflow = serializers.UUIDField(required=False)
    status = serializers.MultipleChoiceField(choices=ENDED, required=False)
    since = Moment(required=False, help_text="Queued then or later.")
    until = Moment(required=False, help_text="Queued earlier.")
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_IN_BULK)
    skip_rerun = serializers.BooleanField(default=False, help_text="Leave out what has been rerun already.")
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST_IN_BULK, default=100, help_text="At most so many, the oldest first."
    )
    dry_run = serializers.BooleanField(default=True, help_text="Only count, and show the first.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not any(data.get(name) for name in ("workflow", "status", "since", "until", "ids")):
            raise serializers.ValidationError("Say which executions: workflow, status, since, until or ids.")
        if data["from"] not in {START, FAILED} and not data.get("workflow"):
            raise serializers.ValidationError({"from": "A node's id makes sense only within one workflow."})
        return data

    def filters(self) -> RerunFilter:
        """Return which executions the body is about."""
        names = ("workflow", "since", "until", "skip_rerun")
        data = self.validated_data
        chosen = {name: data.get(name) for name in names}
        return RerunFilter(status=sorted(data.get("status", [])), ids=data.get("ids", []), **chosen)


class StartedRerunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    rerun_of = serializers.UUIDField(source="rerun_of_id")


class FailedRerunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    detail = serializers.CharField(help_text="Why it was not rerun.")


class BulkReportSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    matched = serializers.IntegerField(help_text="How many executions fit the filters.")
    chosen = serializers.IntegerField(help_text="How many of them `limit` lets through.")
    first = serializers.ListField(child=serializers.UUIDField(), help_text="The first of those chosen, oldest first.")
    started = StartedRerunSerializer(many=True)
    failed = FailedRerunSerializer(many=True)


class RerunActions(viewsets.GenericViewSet[Execution]):
    """The part of the executions' API that reruns them."""

    @extend_schema(request=RerunSerializer, responses={202: ExecutionSerializer}, parameters=[idempotency.PARAMETER])
    @action(detail=True, methods=["post"])
    def rerun(self, request: Request, pk: str) -> Response:
        """Make a new execution from one that has ended: whole, from the failed node or from any node."""
        found = Execution.objects.select_related("workflow__latest_version", "version")
        execution = get_visible_or_404(found, request.user, Role.EDITOR, pk=pk)
        body = RerunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.wanted()
        key = key_ahead(execution, wanted)
        try:
            made, _ = create_once(
                request,
                lambda pk: Execution.objects.visible_to(request.user).filter(pk=pk).first(),
                lambda: rerun(execution, wanted, request.user, key),  # type: ignore[arg-type]
            )
        except (NotEnded, CannotStart) as error:
            raise Problem(409, str(error)) from None
        except CannotRerun as error:
            fields = [{"field": error.field, "message": str(error), "code": "invalid"}]
            raise Problem(400, f"{error.field}: {error}", fields) from None
        return Response(ExecutionSerializer(made).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="executions_rerun_many",
        request=BulkRerunSerializer,
        responses={200: BulkReportSerializer, 202: BulkReportSerializer},
    )
    @action(detail=False, methods=["post"], url_path="rerun")
    def rerun_many(self, request: Request) -> Response:
        """Rerun all ended executions that fit, oldest first; a dry run (the default) only counts them."""
        body = BulkRerunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        matching = body.filters().matching(Execution.objects.visible_to(request.user, Role.EDITOR))
        ids = list(matching.values_list("pk", flat=True)[: body.validated_data["limit"]])
        matched, dry_run = matching.count(), body.validated_data["dry_run"]
        reports = [] if dry_run else list(rerun_many(ids, body.wanted(), request.user))  # type: ignore[arg-type]
        told = {
            "dry_run": dry_run,
            "matched": matched,
            "chosen": len(ids),
            "first": ids[:FIRST_SHOWN],
            "started": [made for report in reports for made in report.started],
            "failed": [{"id": pk, "detail": why} for report in reports for pk, why in report.failed],
        }
        return Response(BulkReportSerializer(told).data, status=200 if dry_run else 202)

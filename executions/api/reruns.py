"""`POST /api/executions/{id}/rerun/` and `POST /api/executions/rerun/`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api.serializers import ExecutionSerializer, HoldSecondsField, OnFailureField
from executions.domain.effects import ACTS
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle import CannotStart
from executions.models import Execution, Mode, Priority
from executions.reruns import (
    FAILED,
    MAX_IN_BULK,
    MAX_PREVIEWED,
    START,
    CannotRerun,
    NotEnded,
    RerunFilter,
    RerunRequest,
    key_ahead,
    preview,
    preview_many,
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
MAX_CHOICES = 1000
ENDED = [s.value for s in ExecutionStatus if s.ended]


class RerunOptionsSerializer(BodySerializer):
    """The options of every rerun."""

    closed = True
    version = serializers.ChoiceField(choices=["same", "latest"], default="same")
    priority = serializers.ChoiceField(
        choices=Priority.choices, required=False, help_text="Defaults to the priority of the original execution."
    )
    mode = serializers.ChoiceField(
        choices=Mode.choices, required=False, help_text="Defaults to the mode of the original execution."
    )
    on_failure = OnFailureField(
        help_text="When a node fails for good: `stop` or `hold`. Defaults to what the original execution was given."
    )
    hold_seconds = HoldSecondsField()

    effects = serializers.DictField(
        child=serializers.ChoiceField(choices=["run", "reuse", "skip"]),
        default=dict,
        help_text="What to do with nodes by their ids: `run` (default), `reuse` their saved output, or `skip` them, so"
        " that their items pass them by.",
    )

    def validate_effects(self, effects: dict[str, Any]) -> dict[str, Any]:
        if len(effects) > MAX_CHOICES:
            raise serializers.ValidationError(f"At most {MAX_CHOICES} nodes are allowed; {len(effects)} are given.")
        return effects

    def get_fields(self) -> dict[str, Any]:
        help_text = (
            "`start` (the whole execution), `failed` (from the node that failed or was interrupted), or a node id, also"
            " as `node:<id>`."
        )
        return {
            "from": serializers.CharField(max_length=110, default=START, help_text=help_text)
        } | super().get_fields()

    def rerun_request(self) -> RerunRequest:
        """Return the rerun that the body describes."""
        data = self.validated_data
        options = {name: data.get(name) for name in ("priority", "mode", "on_failure", "hold_seconds")}
        options["choices"] = data["effects"]
        return RerunRequest(data["from"], data["version"], data.get("input"), **options)


class RerunSerializer(RerunOptionsSerializer):
    input = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        max_length=100_000,
        help_text="Replaces the input of the execution or, with a node in `from`, the input of that node.",
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Rerun nothing: only list the nodes that would write or send again."
    )


class BulkRerunSerializer(RerunOptionsSerializer):
    workflow = serializers.UUIDField(required=False)
    status = serializers.MultipleChoiceField(choices=ENDED, required=False)
    since = Moment(required=False, help_text="Executions queued at this time or later.")
    until = Moment(required=False, help_text="Executions queued before this time.")
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MAX_IN_BULK)
    skip_rerun = serializers.BooleanField(default=False, help_text="Skip executions that were rerun already.")
    limit = serializers.IntegerField(
        min_value=1,
        max_value=MAX_IN_BULK,
        default=100,
        help_text="The maximum number of executions to rerun, oldest first.",
    )
    dry_run = serializers.BooleanField(
        default=True,
        help_text="Rerun nothing: only count the executions, and list the first, and the nodes that would write or send"
        f" again in the first {MAX_PREVIEWED}.",
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not any(data.get(name) for name in ("workflow", "status", "since", "until", "ids")):
            raise serializers.ValidationError(
                "Choose executions by at least one of workflow, status, since, until and ids."
            )
        if data["from"] not in {START, FAILED} and not data.get("workflow"):
            raise serializers.ValidationError(
                {"from": "A node id requires `workflow`: node ids belong to one workflow."}
            )
        return data

    def filters(self) -> RerunFilter:
        """Return the filter for the executions that the body selects."""
        names = ("workflow", "since", "until", "skip_rerun")
        data = self.validated_data
        chosen = {name: data.get(name) for name in names}
        return RerunFilter(status=sorted(data.get("status", [])), ids=data.get("ids", []), **chosen)


class StartedRerunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    rerun_of = serializers.UUIDField(source="rerun_of_id")


class FailedRerunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    detail = serializers.CharField(help_text="Why the execution was not rerun.")


class ActingNodeSerializer(serializers.Serializer[Any]):
    """A node that acted in the original execution and would write or send again."""

    node = serializers.CharField()
    name = serializers.CharField()
    node_type = serializers.CharField()
    effect = serializers.ChoiceField(choices=sorted(ACTS))
    runs = serializers.IntegerField(help_text="How often it ran.")
    items = serializers.IntegerField(help_text="The items that it gave.")
    reusable = serializers.BooleanField(help_text="Whether its saved output can be used instead: `reuse`.")
    choice = serializers.ChoiceField(choices=["run", "reuse", "skip"], help_text="What `effects` says of it.")


class RerunPreviewSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    nodes = ActingNodeSerializer(many=True, help_text="The nodes that would write or send again.")


class ActingInBulkSerializer(serializers.Serializer[Any]):
    workflow = serializers.UUIDField()
    node = serializers.CharField(source="node.node")
    name = serializers.CharField(source="node.name")
    node_type = serializers.CharField(source="node.node_type")
    effect = serializers.ChoiceField(choices=sorted(ACTS), source="node.effect")
    executions = serializers.IntegerField(help_text="In how many executions it would act again.")


class BulkReportSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    matched = serializers.IntegerField(help_text="How many executions match the filters.")
    chosen = serializers.IntegerField(help_text="How many of them are within `limit`.")
    first = serializers.ListField(child=serializers.UUIDField(), help_text="The first chosen executions, oldest first.")
    nodes = ActingInBulkSerializer(many=True, help_text="In a dry run: the nodes that would write or send again.")
    started = StartedRerunSerializer(many=True)
    failed = FailedRerunSerializer(many=True)


class RerunActions(viewsets.GenericViewSet[Execution]):
    """The rerun actions of `/api/executions/`."""

    @extend_schema(
        request=RerunSerializer,
        responses={200: RerunPreviewSerializer, 202: ExecutionSerializer},
        parameters=[idempotency.PARAMETER],
    )
    @action(detail=True, methods=["post"])
    def rerun(self, request: Request, pk: str) -> Response:
        """Rerun an ended execution as a new execution: the whole, from the failed node, or from any node. A dry run
        only lists the nodes that would write or send again."""
        rows = Execution.objects.select_related("workflow__latest_version", "version")
        execution = get_visible_or_404(rows, request.user, Role.EDITOR, pk=pk)
        body = RerunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        rerun_request = body.rerun_request()
        try:
            if body.validated_data["dry_run"]:
                nodes = preview(execution, rerun_request)
                return Response(RerunPreviewSerializer({"dry_run": True, "nodes": nodes}).data)
            key = key_ahead(execution, rerun_request)
            new_execution, _ = create_once(
                request,
                lambda pk: Execution.objects.visible_to(request.user).filter(pk=pk).first(),
                lambda: rerun(execution, rerun_request, request.user, key),  # type: ignore[arg-type]
            )
        except (NotEnded, CannotStart) as error:
            raise Problem(409, str(error)) from None
        except CannotRerun as error:
            fields = [{"field": error.field, "message": str(error), "code": "invalid"}]
            raise Problem(400, f"{error.field}: {error}", fields) from None
        return Response(ExecutionSerializer(new_execution).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="executions_rerun_many",
        request=BulkRerunSerializer,
        responses={200: BulkReportSerializer, 202: BulkReportSerializer},
    )
    @action(detail=False, methods=["post"], url_path="rerun")
    def rerun_many(self, request: Request) -> Response:
        """Rerun all ended live executions that match, oldest first; test and debug executions only by `ids`. A dry run
        (the default) only counts them, and lists the nodes that would write or send again."""
        body = BulkRerunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        matching = body.filters().matching(Execution.objects.visible_to(request.user, Role.EDITOR))
        ids = list(matching.values_list("pk", flat=True)[: body.validated_data["limit"]])
        matched, dry_run = matching.count(), body.validated_data["dry_run"]
        reports = [] if dry_run else list(rerun_many(ids, body.rerun_request(), request.user))  # type: ignore[arg-type]
        result = {
            "dry_run": dry_run,
            "matched": matched,
            "chosen": len(ids),
            "first": ids[:FIRST_SHOWN],
            "nodes": preview_many(ids[:MAX_PREVIEWED], body.rerun_request()) if dry_run else [],
            "started": [execution for report in reports for execution in report.started],
            "failed": [{"id": pk, "detail": why} for report in reports for pk, why in report.failed],
        }
        return Response(BulkReportSerializer(result).data, status=200 if dry_run else 202)

"""`/api/workflows/`, `/api/node-types/`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status, viewsets
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import bulk, lifecycle
from executions.api import hooks
from executions.api.bulk_operations import BulkOperationSerializer
from executions.api.hooks import HookSerializer
from executions.api.schedules import ScheduleSerializer
from executions.api.serializers import (
    BelongingsSerializer,
    DeletionQuerySerializer,
    DetailsSerializer,
    ExecuteSerializer,
    ExecutionSerializer,
    GraphSerializer,
    StaleVersionSerializer,
    ValidateSerializer,
    VersionSerializer,
    WorkflowSerializer,
    WorkflowWriteSerializer,
)
from executions.api.static_data import StaticDataSerializer, StaticDataWriteSerializer
from executions.domain.graph import InvalidGraph
from executions.models import Execution, Trigger, Workflow
from executions.nodes.registry import node_types
from executions.triggers import schedules
from executions.waits.responses import wait_for_end
from executions.workflows import definitions
from executions.workflows import static_data as kept_data
from executions.workflows.belongings import belongings
from executions.workflows.url_checks import refused_urls
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.pagination import chosen_fields
from workflow_platform.core.api.problems import Problem

GRAPH_FIELDS = frozenset({"nodes", "edges", "settings"})
"""The fields of a workflow that are large: a list without them does not read them."""
_ENTITY_TAG = re.compile(r'"?([0-9]{1,9})"?')
_CHANGES = extend_schema(
    request=WorkflowWriteSerializer,
    responses={200: WorkflowSerializer, 412: StaleVersionSerializer},
    parameters=[
        OpenApiParameter(
            "If-Match",
            {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$'},
            "header",
            description="The ETag of the version that the change is based on.",
        )
    ],
)


def invalid_graph(error: InvalidGraph) -> Problem:
    """Return the problem that lists all errors of a graph."""
    return Problem(400, f"The workflow is invalid: {error}", [p.as_dict() for p in error.problems[:200]])


def stale_version(error: definitions.StaleVersion) -> Problem:
    """Return the problem that says who saved the latest version, and when."""
    latest = error.latest
    by = latest.created_by.get_username() if latest.created_by else None
    detail = (
        f"Version {latest.number} was saved by {by or 'the platform'} in the meantime. Compare it with your change, and"
        f" save again with base_version {latest.number} to replace it."
    )
    members = StaleVersionSerializer({"current_version": latest.number, "by": by, "at": latest.created_at}).data
    return Problem(412, detail, **members)


def base_version(request: Request, body: dict[str, Any]) -> int | None:
    """Return the version that a change is based on, from `base_version` or If-Match; None if the caller names none."""
    named: int | None = body.pop("base_version", None)
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return named
    matched = _ENTITY_TAG.fullmatch(header)
    if matched is None:
        message = f'Expected the ETag of a workflow, such as "3", or *, not {header[:60]!r}.'
        raise ValidationError({"If-Match": [message]})
    if named is not None and named != int(matched[1]):
        message = f"If-Match names version {matched[1]} and base_version {named}. Send one of them."
        raise ValidationError({"base_version": [message]})
    return int(matched[1])


def _shown(workflow: Workflow, status: int = 200, context: dict[str, Any] | None = None) -> Response:
    """Return the response that shows a workflow. Its ETag is the number of the latest version, for If-Match."""
    data = WorkflowSerializer(workflow, context=context or {}).data
    return Response(data, status, headers={"ETag": f'"{data["version"]}"'})


class WorkflowViewSet(viewsets.GenericViewSet[Workflow]):
    serializer_class = WorkflowSerializer
    queryset = Workflow.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {
        ELSE: TokenScope.EDIT,
        "execute": TokenScope.RUN,
        "validate": TokenScope.READ,
        "validate_graph": TokenScope.READ,
    }

    def get_queryset(self) -> QuerySet[Workflow]:
        rows = Workflow.objects.visible_to(self.request.user).filter(deleted_at__isnull=True)
        return rows.select_related("latest_version")

    def _workflow(self, pk: str, role: Role = Role.VIEWER) -> Workflow:
        rows = Workflow.objects.filter(deleted_at__isnull=True).select_related("latest_version", "workspace")
        return get_visible_or_404(rows, self.request.user, role, pk=pk)

    def _mask_context(self) -> dict[str, Any]:
        """Return the serializers' context: the workspaces whose definitions the caller sees unmasked."""
        editable = Workspace.objects.visible_to(self.request.user, Role.EDITOR)
        return {"editor_of": set(editable.values_list("pk", flat=True))}

    def list(self, request: Request) -> Response:
        fields = chosen_fields(request)
        if fields is not None and not set(fields) <= set(WorkflowSerializer.Meta.fields):
            fields = None  # the page names what there is
        rows = self.get_queryset()
        if fields is not None and not GRAPH_FIELDS.intersection(fields):
            rows = rows.defer(*(f"latest_version__{name}" for name in GRAPH_FIELDS))
        context = self._mask_context() | {"fields": fields}
        serializer = WorkflowSerializer(self.paginate_queryset(rows), many=True, context=context)
        return self.get_paginated_response(serializer.data)

    @extend_schema(
        request=WorkflowWriteSerializer, responses={201: WorkflowSerializer}, parameters=[idempotency.PARAMETER]
    )
    def create(self, request: Request) -> Response:
        body = WorkflowWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        definition = body.validated_data
        if "base_version" in definition:
            raise ValidationError({"base_version": ["A new workflow has no earlier version. Leave this field out."]})
        workspace = workspace_for(user_of(request), definition.get("workspace"), Role.EDITOR)
        checked = _check_ahead(workspace, definition)  # outside the transaction of create_once
        workflow, _ = create_once(
            request, self._by_id, lambda: self._save(request, definition, workspace, None, checked)
        )
        return _shown(workflow, status.HTTP_201_CREATED)

    def _by_id(self, pk: str) -> Workflow | None:
        return self.get_queryset().filter(pk=pk).first()

    def retrieve(self, request: Request, pk: str) -> Response:
        return _shown(self._workflow(pk), context=self._mask_context())

    @_CHANGES
    def update(self, request: Request, pk: str, partial: bool = False) -> Response:
        workflow = self._workflow(pk, Role.EDITOR)
        body = WorkflowWriteSerializer(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        base = base_version(request, body.validated_data)
        checked = _check_ahead(workflow.workspace, body.validated_data, workflow)
        saved = self._save(request, body.validated_data, workflow.workspace, workflow, checked, base)
        return _shown(saved)

    @_CHANGES
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk, partial=True)

    @extend_schema(request=DetailsSerializer, responses={200: WorkflowSerializer})
    @action(detail=True, methods=["patch"])
    def details(self, request: Request, pk: str) -> Response:
        """Change the name or the description of the workflow without a new version."""
        workflow = self._workflow(pk, Role.EDITOR)
        body = DetailsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _shown(definitions.rename_workflow(workflow, user_of(request), **body.validated_data))

    @extend_schema(
        parameters=[DeletionQuerySerializer],
        responses={200: BelongingsSerializer, 202: BulkOperationSerializer, 204: None},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the workflow. With `dry_run`, nothing is deleted and the response shows what belongs to it. With
        `executions`, the response is the operation that deletes its executions (202)."""
        query = DeletionQuerySerializer.of(request)
        workflow = self._workflow(pk, Role.EDITOR)
        if query.validated_data["dry_run"]:
            return Response(BelongingsSerializer(belongings(workflow)).data)
        if query.validated_data["executions"]:
            with transaction.atomic():
                definitions.delete_workflow(workflow, user_of(request))
                operation = bulk.start_deletion(workflow, user_of(request))
            return Response(BulkOperationSerializer(operation).data, status=status.HTTP_202_ACCEPTED)
        definitions.delete_workflow(workflow, user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _save(
        self,
        request: Request,
        data: dict[str, Any],
        workspace: Workspace,
        old: Workflow | None,
        checked: definitions.Checked,
        base: int | None = None,
    ) -> Workflow:
        try:
            return definitions.save_workflow(
                workspace=workspace,
                definition=data,
                by=request.user,  # type: ignore[arg-type]
                workflow=old,
                checked=checked,
                base_version=base,
            )
        except InvalidGraph as error:
            raise invalid_graph(error) from None
        except definitions.StaleVersion as error:
            raise stale_version(error) from None

    @extend_schema(operation_id="workflows_validate_unsaved", request=GraphSerializer, responses={200: dict})
    @action(detail=False, methods=["post"], url_path="validate")
    def validate_graph(self, request: Request) -> Response:
        """Validate a graph without saving it."""
        body = GraphSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        editable = Workspace.objects.visible_to(request.user, Role.EDITOR).values_list("pk", flat=True)
        nodes, edges = body.validated_data["nodes"], body.validated_data.get("edges", [])
        return self._validation(nodes, edges, list(editable) or None, group=f"user {request.user.pk}")

    @extend_schema(request=ValidateSerializer, responses={200: dict})
    @action(detail=True, methods=["post"])
    def validate(self, request: Request, pk: str) -> Response:
        """Validate the saved graph, or the graph in the body."""
        workflow = self._workflow(pk)
        version = workflow.latest_version
        assert version is not None
        serializer = ValidateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body = serializer.validated_data
        editable = Workspace.objects.visible_to(request.user, Role.EDITOR).filter(pk=workflow.workspace_id).exists()
        nodes, edges = body.get("nodes", version.nodes), body.get("edges", version.edges)
        workspaces = [workflow.workspace_id] if editable else None
        return self._validation(nodes, edges, workspaces, workflow.name, group=str(workflow.workspace_id))

    def _validation(
        self, nodes: object, edges: object, workspaces: Sequence[UUID] | None, name: str = "", *, group: str
    ) -> Response:
        # Viewers may not see which credentials exist.
        try:
            refused = refused_urls(nodes) if workspaces is not None else []
            definitions.check(nodes, edges, workspaces, name, refused, group=group)
        except InvalidGraph as error:
            return Response({"valid": False, "errors": [problem.as_dict() for problem in error.problems[:200]]})
        return Response({"valid": True, "errors": []})

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: str) -> Response:
        return self._set_active(request, pk, True)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        return self._set_active(request, pk, False)

    def _set_active(self, request: Request, pk: str, active: bool) -> Response:
        workflow = self._workflow(pk, Role.EDITOR)
        try:
            definitions.set_active(workflow, active, request.user)  # type: ignore[arg-type]
        except InvalidGraph as error:
            raise invalid_graph(error) from None
        return _shown(workflow)

    @extend_schema(request=None, responses={201: WorkflowSerializer}, parameters=[idempotency.PARAMETER])
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str) -> Response:
        workflow = self._workflow(pk, Role.EDITOR)
        checked = _check_ahead(workflow.workspace, definitions.definition_of_copy(workflow))
        copy, _ = create_once(
            request,
            self._by_id,
            lambda: definitions.clone_workflow(workflow, request.user, checked),  # type: ignore[arg-type]
        )
        return _shown(copy, status.HTTP_201_CREATED)

    @extend_schema(responses={200: VersionSerializer(many=True)})
    @action(detail=True)
    def versions(self, request: Request, pk: str) -> Response:
        versions: Any = self._workflow(pk).versions.select_related("workflow")
        page: Any = self.paginate_queryset(versions)
        return self.get_paginated_response(VersionSerializer(page, many=True, context=self._mask_context()).data)

    @extend_schema(
        operation_id="workflows_version",
        responses=VersionSerializer,
        parameters=[OpenApiParameter("number", int, "path")],
    )
    @action(detail=True, url_path="versions/(?P<number>[0-9]{1,9})")
    def version(self, request: Request, pk: str, number: str) -> Response:
        """Show one version by its number."""
        row = self._workflow(pk).versions.select_related("workflow").filter(number=int(number)).first()
        if row is None:
            raise NotFound(f"This workflow has no version {number}.")
        return Response(VersionSerializer(row, context=self._mask_context()).data)

    @extend_schema(responses={200: ScheduleSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def schedules(self, request: Request, pk: str) -> Response:
        """List the workflow's schedules: when each is due next, and the result of its last firing."""
        return Response(ScheduleSerializer(schedules.listed(self._workflow(pk)), many=True).data)

    @extend_schema(responses={200: HookSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def hooks(self, request: Request, pk: str) -> Response:
        """List the URLs of the workflow's webhook triggers."""
        return Response(HookSerializer(hooks.listed(self._workflow(pk)), many=True).data)

    @extend_schema(responses={200: StaticDataSerializer}, filters=False)
    @action(detail=True, url_path="static-data", pagination_class=None)
    def static_data(self, request: Request, pk: str) -> Response:
        """Return the data that code keeps from one execution to the next. It may hold secrets: editors only."""
        return Response(kept_data.shown(self._workflow(pk, Role.EDITOR)))

    @extend_schema(request=StaticDataWriteSerializer, responses={200: StaticDataSerializer})
    @static_data.mapping.put
    def replace_static_data(self, request: Request, pk: str) -> Response:
        """Replace the static data. A node run that is running writes the fields that it changes afterwards."""
        workflow = self._workflow(pk, Role.EDITOR)
        body = StaticDataWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        parts = body.validated_data
        try:
            kept_data.replace(workflow, user_of(request), whole=parts.get("global"), nodes=parts.get("nodes"))
        except kept_data.StaticDataRefused as error:
            raise ValidationError({error.field: [str(error)]}) from None
        return Response(kept_data.shown(workflow))

    @extend_schema(responses={204: None})
    @static_data.mapping.delete
    def reset_static_data(self, request: Request, pk: str) -> Response:
        """Delete the static data of the workflow and of its nodes."""
        kept_data.reset(self._workflow(pk, Role.EDITOR), user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=ExecuteSerializer,
        responses={200: ExecutionSerializer, 202: ExecutionSerializer},
        parameters=[idempotency.PARAMETER],
    )
    @action(detail=True, methods=["post"])
    def execute(self, request: Request, pk: str) -> Response:
        """Start an execution. With `wait`, the response is 200 if it ends within that many seconds, else 202."""
        workflow = self._workflow(pk, Role.EDITOR)
        body = ExecuteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        input = body.validated_data.get("input", [])
        key = lifecycle.key_ahead(workflow, input)
        try:
            execution, _ = create_once(
                request,
                lambda pk: Execution.objects.visible_to(request.user).filter(pk=pk).first(),
                lambda: lifecycle.create_execution(
                    workflow=workflow,
                    trigger=_trigger(request),
                    input=input,
                    priority=body.validated_data["priority"],
                    mode=body.validated_data["mode"],
                    by=request.user,
                    on_failure=body.validated_data.get("on_failure", ""),
                    hold_seconds=body.validated_data.get("hold_seconds"),
                    awaited=bool(body.validated_data.get("wait")),
                    key=key,
                    traceparent=request.headers.get("traceparent", ""),
                ),
            )
        except lifecycle.CannotStart as error:
            raise Problem(409, str(error)) from None
        ended = wait_for_end(execution, body.validated_data.get("wait", 0))
        return Response(ExecutionSerializer(execution).data, status=200 if ended else 202)


def _check_ahead(
    workspace: Workspace, definition: dict[str, Any], workflow: Workflow | None = None
) -> definitions.Checked:
    """Return the checks of a definition that must precede the transaction that saves it. Raises Problem."""
    try:
        return definitions.check_ahead(workspace, definition, workflow)
    except InvalidGraph as error:
        raise invalid_graph(error) from None


def _trigger(request: Request) -> Trigger:
    """Return the trigger of an execution: a person with a session, or a program with a token."""
    has_session = isinstance(request.successful_authenticator, SessionAuthentication)
    return Trigger.MANUAL if has_session else Trigger.API


class NodeTypesView(APIView):
    """The installed node types, with the JSON schema of their parameters for forms and validation."""

    @extend_schema(responses={200: list[dict]})  # type: ignore[type-arg]
    def get(self, request: Request) -> Response:
        return Response([node_type.describe() for node_type in node_types().values()])

"""`/api/webhooks/operations/`: change many deliveries at once, after a dry run that counts them."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks import operations
from webhooks.api.operation_serializers import (
    OperationListFilterSerializer,
    OperationRequestSerializer,
    OperationSerializer,
    PlanSerializer,
)
from webhooks.models import Endpoint, Operation, OperationKind
from webhooks.operations.selection import DeliverySelection
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.problems import Problem


class OperationBody(Protocol):
    """A validated body with a selection and `dry_run`."""

    @property
    def validated_data(self) -> Any: ...

    def chosen(self) -> DeliverySelection: ...


class OperationViewSet(viewsets.GenericViewSet[Operation]):
    serializer_class = OperationSerializer
    queryset = Operation.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.RUN}

    def get_queryset(self) -> QuerySet[Operation]:
        """Return the operations that the caller may see."""
        return Operation.objects.visible_to(self.request.user).select_related("created_by")

    @extend_schema(parameters=[OperationListFilterSerializer])
    def list(self, request: Request) -> Response:
        """List operations, newest first."""
        query = OperationListFilterSerializer.of(request)
        names = {"endpoint": "endpoint_id"}
        chosen = {names.get(name, name): value for name, value in query.validated_data.items()}
        page = self.paginate_queryset(self.get_queryset().filter(**chosen))
        return self.get_paginated_response(OperationSerializer(page, many=True).data)

    @extend_schema(
        request=OperationRequestSerializer,
        responses={200: PlanSerializer, 202: PlanSerializer},
        parameters=[idempotency.PARAMETER],
    )
    def create(self, request: Request) -> Response:
        """Recover, redeliver or cancel all deliveries that match a filter. A dry run, the default, only counts them."""
        body = OperationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        workspace = workspace_for(user_of(request), data.get("workspace"), Role.EDITOR)
        endpoint_ids = set(data["filter"].get("endpoint", ()))
        if endpoint_ids - set(
            Endpoint.objects.filter(workspace=workspace, pk__in=endpoint_ids).values_list("pk", flat=True)
        ):
            raise serializers.ValidationError({"filter": {"endpoint": "The workspace has no endpoint with this id."}})
        return answered(request, OperationKind(data["kind"]), None, workspace.pk, body, within="filter")

    def retrieve(self, request: Request, pk: str) -> Response:
        """Retrieve an operation with its progress."""
        return Response(OperationSerializer(self._operation(pk)).data)

    @extend_schema(request=None, responses={202: OperationSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop an operation. Finished parts stay as they are. 409: the operation has ended."""
        if not operations.cancel(self._operation(pk, Role.EDITOR)):
            raise Problem(409, f"The operation is {self._operation(pk).state} already and cannot be cancelled.")
        return Response(OperationSerializer(self._operation(pk)).data, status=status.HTTP_202_ACCEPTED)

    def _operation(self, pk: str, role: Role = Role.VIEWER) -> Operation:
        return get_visible_or_404(Operation.objects.select_related("created_by"), self.request.user, role, pk=pk)


def answered(
    request: Request,
    kind: OperationKind,
    endpoint: Endpoint | None,
    workspace_id: UUID,
    body: OperationBody,
    within: str = "",
) -> Response:
    """Count the selection and, unless it is a dry run, start the operation. `within` names the object of its fields."""
    chosen, dry_run = body.chosen(), body.validated_data["dry_run"]
    try:
        plan = operations.plan(kind, [workspace_id], endpoint, chosen)
        started = None if dry_run else _started(request, kind, endpoint, workspace_id, chosen)
    except operations.BadOperation as error:
        errors: dict[str, Any] = {error.field: error.why}
        raise serializers.ValidationError({within: errors} if within else errors) from None
    shown = PlanSerializer({
        "dry_run": dry_run, "count": plan.count, "first_ids": plan.first_ids, "recipients": plan.recipients,
        "operation": started,
    })  # fmt: skip
    return Response(shown.data, status=status.HTTP_200_OK if dry_run else status.HTTP_202_ACCEPTED)


def _started(
    request: Request, kind: OperationKind, endpoint: Endpoint | None, workspace_id: UUID, chosen: DeliverySelection
) -> Operation:
    operation, _ = create_once(
        request,
        lambda pk: Operation.objects.visible_to(request.user).filter(pk=pk).first(),
        lambda: operations.start(kind, workspace_id, endpoint, chosen, user_of(request)),
    )
    return operation

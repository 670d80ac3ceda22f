"""`/api/webhooks/endpoints/`. Members see endpoints, editors test and replay, admins change them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import ValidationError
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks import validation
from webhooks.api.delivery_serializers import DeliverySerializer
from webhooks.api.endpoint_serializers import (
    EndpointCreateSerializer,
    EndpointDetailSerializer,
    EndpointFilterSerializer,
    EndpointSerializer,
    EndpointWriteSerializer,
    IssuedEndpointSerializer,
    RotationSerializer,
    TestEventSerializer,
)
from webhooks.api.operation_serializers import EndpointReplaySerializer, PlanSerializer, RecoverSerializer
from webhooks.api.operations import answered
from webhooks.api.policy_fields import named_errors
from webhooks.endpoints import lifecycle, test_events
from webhooks.models import Delivery, Endpoint, OperationKind
from webhooks.models.delivery import UNENDED
from webhooks.models.endpoint import EndpointQuerySet
from webhooks.validation import InvalidValue
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.problems import Problem

NOT_STORED = {"Cache-Control": "no-store"}


class EndpointViewSet(viewsets.GenericViewSet[Endpoint]):
    serializer_class = EndpointSerializer
    queryset = Endpoint.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = dict.fromkeys(("test", "replay", "recover"), TokenScope.RUN)

    def get_queryset(self) -> QuerySet[Endpoint]:
        """Return the endpoints that the caller may see."""
        return _seen().visible_to(self.request.user)

    def _endpoint(self, pk: str, role: Role = Role.VIEWER) -> Endpoint:
        return get_visible_or_404(_seen(), self.request.user, role, pk=pk)

    def _context(self) -> dict[str, Any]:
        admin_of = Workspace.objects.visible_to(self.request.user, Role.ADMIN).order_by().values_list("pk", flat=True)
        return {"request": self.request, "admin_of": set(admin_of)}

    def _shown(self, endpoint: Endpoint, code: int = 200, issued: str | None = None, new: bool = False) -> Response:
        # Each uses a partial index without ended deliveries.
        queued = sum(Delivery.objects.filter(lane_id=endpoint.pk, status=status).count() for status in UNENDED)
        context = self._context() | {"queued": queued, "secret": issued}
        shape = IssuedEndpointSerializer if new else EndpointDetailSerializer
        row = _seen().get(pk=endpoint.pk)
        return Response(shape(row, context=context).data, code, headers=NOT_STORED)

    @extend_schema(parameters=[EndpointFilterSerializer])
    def list(self, request: Request) -> Response:
        """List endpoints by name."""
        query = EndpointFilterSerializer.of(request)
        names = {"workspace": "workspace_id", "active": "active", "workflow": "workflow_id"}
        chosen = {names[name]: value for name, value in query.validated_data.items() if value is not None}
        page = self.paginate_queryset(self.get_queryset().filter(**chosen))
        return self.get_paginated_response(EndpointSerializer(page, many=True, context=self._context()).data)

    @extend_schema(
        request=EndpointCreateSerializer,
        responses={201: IssuedEndpointSerializer},
        parameters=[idempotency.PARAMETER],
    )
    def create(self, request: Request) -> Response:
        """Create an endpoint. Only this response contains its signing secret."""
        body = EndpointCreateSerializer(data=request.data, context={"group": f"user {request.user.pk}"})
        body.is_valid(raise_exception=True)
        data = dict(body.validated_data)
        workspace_id = data.pop("workspace", None)
        issued: list[str] = []

        def make() -> Endpoint:
            workspace = workspace_for(user_of(request), workspace_id, Role.ADMIN)
            _check_workflow(data, workspace)
            made = lifecycle.create(workspace=workspace, by=user_of(request), **data)
            issued.append(made.secret)
            return made.endpoint

        row, _ = _reporting_errors(
            lambda: create_once(request, lambda pk: self.get_queryset().filter(pk=pk).first(), make)
        )
        return self._shown(row, status.HTTP_201_CREATED, issued[0] if issued else None, new=True)

    @extend_schema(responses=EndpointDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Retrieve an endpoint with the health of its receiver and the number of unsent deliveries."""
        return self._shown(self._endpoint(pk))

    @extend_schema(request=EndpointWriteSerializer, responses=EndpointDetailSerializer)
    def update(self, request: Request, pk: str) -> Response:
        """Replace an endpoint. Omitted `auth` and `headers` stay unchanged."""
        return self._change(request, pk, partial=False)

    @extend_schema(request=EndpointWriteSerializer, responses=EndpointDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the given fields of an endpoint."""
        return self._change(request, pk, partial=True)

    def _change(self, request: Request, pk: str, *, partial: bool) -> Response:
        endpoint = self._endpoint(pk, Role.ADMIN)
        body = EndpointWriteSerializer(endpoint, data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        data = dict(body.validated_data)
        if data.get("workflow_id") != endpoint.workflow_id:
            _check_workflow(data, endpoint.workspace)
        return self._shown(_reporting_errors(lambda: lifecycle.change(endpoint, **data)))

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete an endpoint and cancel its unsent deliveries. Its deliveries stay readable during retention."""
        endpoint = self._endpoint(pk, Role.ADMIN)
        _reporting_errors(lambda: lifecycle.delete(endpoint, by=user_of(request)))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=RotationSerializer, responses=IssuedEndpointSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Rotate the signing secret. Only this response contains it. Previous secrets still sign during the overlap."""
        endpoint = self._endpoint(pk, Role.ADMIN)
        body = RotationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = dict(body.validated_data)
        hours = data.pop("overlap_hours", None)
        overlap = None if hours is None else timedelta(hours=hours)
        issued = _reporting_errors(lambda: lifecycle.rotate_secret(endpoint, overlap=overlap, **data), refused="secret")
        return self._shown(issued.endpoint, issued=issued.secret, new=True)

    @extend_schema(request=None, responses=EndpointDetailSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Pause an endpoint: deliveries are queued and not sent."""
        return self._turn(pk, lifecycle.pause)

    @extend_schema(request=None, responses=EndpointDetailSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Resume a paused endpoint. Queued deliveries are sent, slowly at first."""
        return self._turn(pk, lifecycle.resume)

    @extend_schema(request=None, responses=EndpointDetailSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Enable an inactive or disabled endpoint. Use /replay/ to send the events of the meantime."""
        return self._turn(pk, lifecycle.enable)

    def _turn(self, pk: str, turn: Callable[[Endpoint], Endpoint]) -> Response:
        endpoint = self._endpoint(pk, Role.ADMIN)
        return self._shown(_reporting_errors(lambda: turn(endpoint)))

    @extend_schema(request=TestEventSerializer, responses={201: DeliverySerializer}, parameters=[idempotency.PARAMETER])
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a sample event, or the newest recorded event of a type. Returns the delivery."""
        endpoint = self._endpoint(pk, Role.EDITOR)
        body = TestEventSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            delivery, _ = create_once(
                request,
                lambda delivery_id: Delivery.objects.visible_to(request.user).filter(pk=delivery_id).first(),
                lambda: test_events.send(endpoint, user_of(request), body.validated_data["event_type"]),
            )
        except test_events.NothingRecorded as error:
            raise serializers.ValidationError({"event_type": str(error)}) from None
        except test_events.NotSending as error:
            raise Problem(409, str(error)) from None
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=RecoverSerializer, responses={200: PlanSerializer, 202: PlanSerializer},
        parameters=[idempotency.PARAMETER],
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def recover(self, request: Request, pk: str) -> Response:
        """Send all failed deliveries since a time again. A dry run only counts them."""
        endpoint = self._endpoint(pk, Role.EDITOR)
        body = RecoverSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return answered(request, OperationKind.RECOVER, endpoint, endpoint.workspace_id, body)

    @extend_schema(
        request=EndpointReplaySerializer, responses={200: PlanSerializer, 202: PlanSerializer},
        parameters=[idempotency.PARAMETER],
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Send the recorded events of a time range to this endpoint. A dry run only counts them."""
        endpoint = self._endpoint(pk, Role.EDITOR)
        body = EndpointReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return answered(request, OperationKind.REPLAY, endpoint, endpoint.workspace_id, body)


def _seen() -> EndpointQuerySet:
    return Endpoint.objects.filter(deleted_at=None).select_related("lane", "created_by", "workspace")


def _check_workflow(data: dict[str, Any], workspace: Workspace) -> None:
    if data.get("workflow_id") is None:
        return
    try:
        validation.check_workflow(data["workflow_id"], workspace.pk)
    except InvalidValue as error:
        raise serializers.ValidationError({"workflow": str(error)}) from None


def _reporting_errors(do: Callable[[], Any], refused: str = "headers") -> Any:
    """Return what `do` returns. Turns its exceptions into problems with the name of the field."""
    try:
        return do()
    except ValidationError as error:  # from the authentication; everything else was validated before
        raise serializers.ValidationError({"auth": named_errors(error, skip=1, default="type", values=False)}) from None
    except InvalidValue as error:
        raise serializers.ValidationError({refused: str(error)}) from None
    except (lifecycle.SecretsLost, lifecycle.TooManyEndpoints) as error:
        raise Problem(409, str(error)) from None
    except Endpoint.DoesNotExist:
        raise Problem(404, "The endpoint was deleted during this request.") from None

"""`/api/webhooks/deliveries/`: list, create, cancel and redeliver deliveries; attempts and statistics."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks import outbox, statistics
from webhooks.api.delivery_serializers import (
    AdHocSerializer,
    AttemptSerializer,
    DeliveryDetailSerializer,
    DeliveryFilterSerializer,
    DeliverySerializer,
)
from webhooks.api.statistics_serializers import StatisticsQuerySerializer, StatisticsSerializer, shown
from webhooks.models import Delivery, DeliveryAttempt, Endpoint
from webhooks.models.delivery import UNENDED
from webhooks.secrets import SealedSecrets
from webhooks.statistics import BUCKETS
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.problems import Problem
from workflow_platform.core.secrets.encryption import CannotDecrypt

MOST_ATTEMPTS = 500


class DeliveryViewSet(viewsets.GenericViewSet[Delivery]):
    serializer_class = DeliverySerializer
    queryset = Delivery.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.RUN}

    def get_queryset(self) -> QuerySet[Delivery]:
        """Return the deliveries that the caller may see, without their bodies."""
        return Delivery.objects.visible_to(self.request.user).select_related("endpoint").defer("body", "sealed")

    def _delivery(self, pk: str, role: Role = Role.VIEWER) -> Delivery:
        return get_visible_or_404(Delivery.objects.select_related("endpoint"), self.request.user, role, pk=pk)

    @extend_schema(parameters=[DeliveryFilterSerializer])
    def list(self, request: Request) -> Response:
        """List deliveries, newest first."""
        query = DeliveryFilterSerializer.of(request)
        page = self.paginate_queryset(query.delivery_filter().applied(self.get_queryset()))
        return self.get_paginated_response(DeliverySerializer(page, many=True).data)

    @extend_schema(
        request=AdHocSerializer, responses={201: DeliveryDetailSerializer}, parameters=[idempotency.PARAMETER]
    )
    def create(self, request: Request) -> Response:
        """Create an ad-hoc delivery to a URL. It is sent, retried and logged like all deliveries."""
        body = AdHocSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        def create() -> Delivery:
            workspace = workspace_for(user_of(request), body.validated_data.get("workspace"), Role.EDITOR)
            return _queued(body.ad_hoc(workspace.pk))

        row, _ = create_once(request, lambda pk: self.get_queryset().filter(pk=pk).first(), create)
        return Response(DeliveryDetailSerializer(self._delivery(str(row.pk))).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=DeliveryDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Retrieve a delivery with its body and settings and, while it is pending, what it waits for."""
        return Response(DeliveryDetailSerializer(self._delivery(pk)).data)

    @extend_schema(responses={200: AttemptSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def attempts(self, request: Request, pk: str) -> Response:
        """List the attempts of a delivery, in order."""
        rows = DeliveryAttempt.objects.filter(delivery=self._delivery(pk)).order_by("number")[:MOST_ATTEMPTS]
        return Response(AttemptSerializer(rows, many=True).data)

    @extend_schema(request=None, responses={202: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a delivery. An attempt in flight may still arrive and is not retried. 409: the delivery has ended."""
        delivery = self._delivery(pk, Role.EDITOR)
        done = outbox.cancel([delivery], f"Cancelled by {request.user.get_username()}.")
        if not done.cancelled and not done.requested:
            raise Problem(409, f"The delivery is {self._delivery(pk).status} already and cannot be cancelled.")
        return Response(DeliveryDetailSerializer(self._delivery(pk)).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send a delivery again now, with the same `webhook-id`. 409: it has not ended, or its endpoint was deleted."""
        delivery = self._delivery(pk, Role.EDITOR)
        if not outbox.redeliver([delivery]):
            row = self._delivery(pk)
            if row.status in UNENDED:
                raise Problem(409, f"The delivery is {row.status}; only a delivery that has ended can be sent again.")
            raise Problem(409, "The endpoint of the delivery was deleted.")
        return Response(DeliveryDetailSerializer(self._delivery(pk)).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(parameters=[StatisticsQuerySerializer], responses={200: StatisticsSerializer}, filters=False)
    @action(detail=False, pagination_class=None)
    def stats(self, request: Request) -> Response:
        """Statistics of deliveries: counts, success rate, attempts and latency; in total, by endpoint and over time."""
        query = StatisticsQuerySerializer.of(request)
        parameters = query.validated_data
        visible = Workspace.objects.visible_to(request.user).order_by().values_list("pk", flat=True)
        workspaces = [pk for pk in visible if parameters.get("workspace") in (None, pk)]
        endpoints = parameters.get("endpoint")
        measured = statistics.measure(
            parameters["since"],
            parameters["until"],
            BUCKETS[parameters["bucket"]],
            workspaces=workspaces,
            endpoints=endpoints,
        )
        names = Endpoint.objects.filter(pk__in=[pk for pk in measured.endpoints if pk]).values_list("pk", "name")
        return Response(StatisticsSerializer(shown(measured, parameters, dict(names))).data)


def _queued(message: outbox.AdHoc) -> Delivery:
    try:
        (delivery,) = outbox.create_ad_hoc([message])
    except outbox.BadAdHoc as error:
        raise serializers.ValidationError({error.field: error.why}) from None
    same = (delivery.method, _whole_url(delivery), delivery.body) == (message.method, message.url, message.body)
    if not same:
        why = "This key belongs to a delivery with another method, URL or body. Use another key."
        detail = {"field": "idempotency_key", "message": why, "code": "taken"}
        raise Problem(422, f"idempotency_key: {why}", [detail])
    return delivery


def _whole_url(delivery: Delivery) -> str:
    try:
        return SealedSecrets.of(delivery.sealed).url or delivery.url
    except CannotDecrypt:
        return delivery.url

"""`/api/notifications/`: the caller's notifications, how many are unread, and marking them as read."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.models import Notification, NotificationKind, NotificationQuerySet
from executions.notifications import inbox
from workflow_platform.core.accounts.models import TokenScope
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.api.inputs import BodySerializer, QueryBoolean, QuerySerializer


class NotificationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="row.pk")
    kind = serializers.ChoiceField(source="row.kind", choices=NotificationKind.choices)
    title = serializers.CharField()
    text = serializers.CharField()
    url = serializers.CharField(help_text="The page of its subject, as a path.")
    unread = serializers.BooleanField(help_text="False for an approval that is no longer open, too.")
    read_at = serializers.DateTimeField(source="row.read_at", allow_null=True)
    happened_at = serializers.DateTimeField(source="row.happened_at")
    workspace = serializers.UUIDField(source="row.workspace_id")
    workspace_name = serializers.CharField(source="row.workspace.name")
    workflow = serializers.UUIDField(source="row.workflow_id", allow_null=True)
    execution = serializers.UUIDField(source="row.execution_id", allow_null=True)
    approval = serializers.UUIDField(source="row.wait_id", allow_null=True)
    endpoint = serializers.UUIDField(source="row.endpoint_id", allow_null=True)
    subject = serializers.CharField(source="row.subject", help_text="The name of the workflow or endpoint.")
    node = serializers.CharField(source="row.node", help_text="The name of the node that failed or waits, if any.")
    failures = serializers.IntegerField(
        source="row.failures", help_text="workflow_recovered: how many executions had failed in a row."
    )


class NotificationFilterSerializer(QuerySerializer):
    unread = QueryBoolean(required=False, help_text="true: only unread ones. false: only those that are not.")
    kind = serializers.MultipleChoiceField(choices=NotificationKind.choices, required=False)
    workspace = serializers.UUIDField(required=False)


class ReadSerializer(BodySerializer):
    closed = True

    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=inbox.MOST_AT_ONCE
    )
    through = serializers.UUIDField(
        required=False, help_text="Mark this notification and all older ones: the newest that the user was shown."
    )

    def validate(self, body: dict[str, Any]) -> dict[str, Any]:
        """Require one of the two."""
        if len(body.keys() & {"ids", "through"}) != 1:
            raise serializers.ValidationError({"ids": ["Give either `ids` or `through`."]})
        return body


class UnreadSerializer(serializers.Serializer[Any]):
    unread = serializers.IntegerField(help_text=f"Counted up to {inbox.MOST_COUNTED}.")


class NotificationViewSet(viewsets.GenericViewSet[Notification]):
    serializer_class = NotificationSerializer
    queryset = Notification.objects.none()
    token_scopes = {ELSE: TokenScope.RUN}

    def get_queryset(self) -> NotificationQuerySet:
        """Return the caller's notifications."""
        return Notification.objects.visible_to(self.request.user).select_related("workspace")

    @extend_schema(parameters=[NotificationFilterSerializer])
    def list(self, request: Request) -> Response:
        """List your notifications, newest first."""
        rows = self.get_queryset()
        filters = NotificationFilterSerializer.of(request).validated_data
        if "unread" in filters:
            rows = rows.unread() if filters["unread"] else rows.settled()
        if kinds := filters.get("kind"):
            rows = rows.filter(kind__in=kinds)
        if workspace := filters.get("workspace"):
            rows = rows.filter(workspace=workspace)
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response(NotificationSerializer(inbox.shown(page), many=True).data)

    @extend_schema(responses={200: UnreadSerializer})
    @action(detail=False, pagination_class=None)
    def count(self, request: Request) -> Response:
        """Count your unread notifications. Approvals that are decided or have expired do not count."""
        return Response({"unread": inbox.unread_count(user_of(request))})

    @extend_schema(request=ReadSerializer, responses={200: UnreadSerializer})
    @action(detail=False, methods=["post"])
    def read(self, request: Request) -> Response:
        """Mark notifications as read: these, or one and all older ones. Ids that are not yours change nothing."""
        body = ReadSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        inbox.mark_read(user_of(request), **body.validated_data)
        return Response({"unread": inbox.unread_count(user_of(request))})

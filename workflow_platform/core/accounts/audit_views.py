"""The audit log of a workspace over the API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from workflow_platform.core.accounts.models import AuditEntry, AuditKind, Role
from workflow_platform.core.accounts.views import workspace_in_path
from workflow_platform.core.api.inputs import Moment, QuerySerializer


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    by = serializers.CharField(source="actor_name", help_text="The username; empty for the platform itself.")
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="More about it: `role`; `from` and `to`; `name`, `scopes` and `expires_at` of a token; `network`."
    )

    class Meta:
        model = AuditEntry
        fields = ["id", "kind", "at", "by", "subject", "data"]
        read_only_fields = fields


class AuditFilterSerializer(QuerySerializer):
    kind = serializers.ChoiceField(choices=AuditKind.choices, required=False)
    since = Moment(required=False, help_text="Entries at this time or later.")
    until = Moment(required=False, help_text="Entries before this time.")


@extend_schema(tags=["workspaces"])
class AuditViewSet(viewsets.GenericViewSet[AuditEntry]):
    serializer_class = AuditEntrySerializer
    queryset = AuditEntry.objects.none()

    def get_queryset(self) -> QuerySet[AuditEntry]:
        """Return the entries of the workspace in the path."""
        workspace = workspace_in_path(self.kwargs["workspace_id"], self.request, Role.ADMIN)
        return AuditEntry.objects.filter(workspace_id=workspace.pk)

    @extend_schema(parameters=[AuditFilterSerializer])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List who changed what about the workspace, its members, invitations and their tokens, newest first. Only for
        its admins. Entries are kept for a year."""
        query = AuditFilterSerializer.of(request)
        rows = self.get_queryset()
        for name, path in (("kind", "kind"), ("since", "at__gte"), ("until", "at__lt")):
            if (value := query.validated_data.get(name)) is not None:
                rows = rows.filter(**{path: value})
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)

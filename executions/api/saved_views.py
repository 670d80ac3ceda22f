"""`/api/executions/views/`: saved views of the list of executions, own and shared."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from executions.models import SavedView
from executions.pages.filters import ExecutionFilters
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope, Workspace
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.inputs import BodySerializer
from workflow_platform.core.api.problems import Problem

MAX_VIEWS = 200
"""Of a user in a workspace."""


class SavedViewSerializer(serializers.ModelSerializer[SavedView]):
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = SavedView
        fields = ["id", "workspace", "name", "query", "shared", "owner", "created_at"]
        read_only_fields = fields


class _ViewFieldsSerializer(BodySerializer):
    closed = True

    def validate_query(self, query: str) -> str:
        """Keep what the list knows; reject what it does not know."""
        known = set(ExecutionFilters.base_fields)
        pairs = [(name, value) for name, value in parse_qsl(query.removeprefix("?")) if name != "before"]
        if unknown := sorted({name for name, _ in pairs} - known):
            raise serializers.ValidationError(
                f"The list has no filter {unknown[0][:60]!r}. Known filters: {', '.join(sorted(known))}."
            )
        return urlencode(pairs)


class SavedViewWriteSerializer(_ViewFieldsSerializer):
    name = serializers.CharField(max_length=100)
    query = serializers.CharField(
        max_length=2000, allow_blank=True, default="", help_text="The query of the page `/`, such as `status=failed`."
    )
    shared = serializers.BooleanField(
        default=False, help_text="Whether all members of the workspace see it. Only editors share views."
    )
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")


class SavedViewChangeSerializer(_ViewFieldsSerializer):
    name = serializers.CharField(max_length=100, required=False)
    query = serializers.CharField(max_length=2000, allow_blank=True, required=False)
    shared = serializers.BooleanField(required=False)


class SavedViewViewSet(viewsets.GenericViewSet[SavedView]):
    serializer_class = SavedViewSerializer
    queryset = SavedView.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.RUN}

    def get_queryset(self) -> QuerySet[SavedView]:
        """Return the views that the caller may see."""
        return SavedView.objects.readable_by(user_of(self.request)).select_related("owner")

    def list(self, request: Request) -> Response:
        """List your views and the shared ones of your workspaces, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(SavedViewSerializer(page, many=True).data)

    @extend_schema(
        request=SavedViewWriteSerializer, responses={201: SavedViewSerializer}, parameters=[idempotency.PARAMETER]
    )
    def create(self, request: Request) -> Response:
        """Save a view. 409 if you have one with this name."""
        body = SavedViewWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data, user = dict(body.validated_data), user_of(request)
        role = Role.EDITOR if data["shared"] else Role.VIEWER
        workspace = workspace_for(user, data.pop("workspace", None), role)
        if SavedView.objects.filter(workspace=workspace, owner=user).count() >= MAX_VIEWS:
            raise Problem(409, f"You have {MAX_VIEWS} views in this workspace; more are not allowed. Delete some.")
        view, _ = create_once(
            request,
            lambda pk: self.get_queryset().filter(pk=pk).first(),
            lambda: _saved(SavedView(workspace=workspace, owner=user, **data)),
        )
        return Response(SavedViewSerializer(view).data, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(SavedViewSerializer(get_object_or_404(self.get_queryset(), pk=pk)).data)

    @extend_schema(request=SavedViewChangeSerializer, responses={200: SavedViewSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change one of your views. Admins of the workspace may change shared ones of others."""
        view = self._own(pk)
        body = SavedViewChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if body.validated_data.get("shared"):
            workspace_for(user_of(request), view.workspace_id, Role.EDITOR)
        for name, value in body.validated_data.items():
            setattr(view, name, value)
        return Response(SavedViewSerializer(_saved(view)).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete one of your views. Admins of the workspace may delete shared ones of others."""
        self._own(pk).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _own(self, pk: str) -> SavedView:
        view: SavedView = get_object_or_404(self.get_queryset(), pk=pk)
        user: Any = self.request.user
        admin = Workspace.objects.visible_to(user, Role.ADMIN).filter(pk=view.workspace_id).exists()
        if view.owner_id != user.pk and not admin:
            raise PermissionDenied("Only its owner or an admin of the workspace can change this view.")
        return view


def _saved(view: SavedView) -> SavedView:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        raise Problem(409, f"There is a view with the name {view.name!r} already. Choose another name.") from None
    return view

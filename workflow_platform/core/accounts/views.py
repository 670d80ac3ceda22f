"""Workspaces, their members and invitations, and the caller's API tokens."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.db import transaction
from django.db.models import F, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from workflow_platform.core.accounts import audit, idempotency, memberships, removal
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import ApiToken, AuditKind, Membership, Role, User, Workspace
from workflow_platform.core.accounts.serializers import (
    ApiTokenSerializer,
    DeletionPreviewSerializer,
    DeletionSerializer,
    HandOverSerializer,
    IssuedTokenSerializer,
    MemberSerializer,
    RoleSerializer,
    WorkspaceSerializer,
)
from workflow_platform.core.accounts.shortcuts import get_visible_or_404, refused


def user_of(request: Request) -> User:
    """Return the caller of a view that only authenticated users reach."""
    if not isinstance(request.user, User):
        raise TypeError("the view lets anonymous callers in")
    return request.user


@extend_schema(tags=["workspaces"])
class WorkspaceViewSet(
    mixins.ListModelMixin,
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Workspace],
):
    """The caller's workspaces. The creator of a workspace becomes its admin."""

    serializer_class = WorkspaceSerializer
    queryset = Workspace.objects.none()
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    def get_queryset(self) -> QuerySet[Workspace]:
        """Return the workspaces that the caller is a member of, each with their role in it."""
        # visible_to filters this join, so the membership is the caller's.
        return Workspace.objects.visible_to(self.request.user).annotate(role=F("memberships__role"))

    @extend_schema(parameters=[idempotency.PARAMETER])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create a workspace with the caller as its admin."""
        serializer = self.get_serializer(data=request.data)
        # Validate inside: for a repeated request, a slug that the first one used is no error.
        workspace, _ = create_once(
            request, lambda pk: self.get_queryset().filter(pk=pk).first(), lambda: self._created(serializer)
        )
        return Response(self.get_serializer(workspace).data, status=201)

    @extend_schema(request=WorkspaceSerializer, responses=WorkspaceSerializer)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Rename the workspace. For its admins."""
        workspace = self._administered()
        serializer = self.get_serializer(workspace, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        before = workspace.name
        serializer.save()
        if workspace.name != before:
            audit.workspace_changed(AuditKind.WORKSPACE_RENAMED, workspace, user_of(request), **{"from": before})
        return Response(serializer.data)

    @extend_schema(responses={204: None, 409: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete the workspace. For its admins, and only if it is empty: without workflows, credentials and
        endpoints, deleted ones and their history included. `deletion/` deletes one with everything in it."""
        memberships.delete_empty(self._administered(), user_of(request))
        return Response(status=204)

    @extend_schema(methods=["GET"], responses=DeletionPreviewSerializer)
    @extend_schema(methods=["POST"], request=DeletionSerializer, responses={202: DeletionPreviewSerializer})
    @action(detail=True, methods=["get", "post"])
    def deletion(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """GET: what would be deleted with the workspace. POST: delete it with everything in it; `name` repeats its
        name. It disappears for everybody at once, also on open sockets, and refuses new work; a job cancels what runs
        and removes its contents. For its admins."""
        workspace = self._administered()
        preview = DeletionPreviewSerializer({"name": workspace.name, "contents": removal.contents_of(workspace)}).data
        if request.method == "GET":
            return Response(preview)
        serializer = DeletionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data["name"] != workspace.name:
            raise ValidationError({"name": [f"This is not the name of the workspace, {workspace.name}."]}, code="wrong")
        removal.request(workspace, user_of(request))
        return Response(preview, status=202)

    @extend_schema(request=HandOverSerializer, responses={204: None, 404: None})
    @action(detail=True, methods=["post"], url_path="hand-over", url_name="hand-over")
    @transaction.atomic
    def hand_over(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make another member an admin and become an editor yourself, in one step."""
        serializer = HandOverSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        memberships.lock(self._administered())
        workspace = self._administered()  # again: the caller may have lost the role while waiting for the lock
        others = Membership.objects.filter(workspace=workspace, user__is_active=True).exclude(user=user_of(request))
        to = others.filter(pk=serializer.validated_data["member"]).first()
        if to is None:
            raise ValidationError({"member": ["The workspace has no other member with this id."]}, code="not_a_member")
        memberships.hand_over(workspace, user_of(request), to)
        return Response(status=204)

    def _administered(self) -> Workspace:
        """Return the workspace in the path. Raises PermissionDenied for a member who is not its admin."""
        workspace: Any = self.get_object()
        if not Workspace.objects.visible_to(self.request.user, Role.ADMIN).filter(pk=workspace.pk).exists():
            raise PermissionDenied(refused(self.request.user, Role.ADMIN))
        return cast(Workspace, workspace)

    @transaction.atomic
    def _created(self, serializer: BaseSerializer[Workspace]) -> Workspace:
        serializer.is_valid(raise_exception=True)
        workspace = serializer.save()
        Membership.objects.create(workspace=workspace, user=user_of(self.request), role=Role.ADMIN)
        audit.workspace_changed(AuditKind.WORKSPACE_CREATED, workspace, user_of(self.request))
        workspace.role = Role.ADMIN  # type: ignore[attr-defined]  # annotated, where it is read from the database
        return workspace


@extend_schema(tags=["workspaces"])
@extend_schema_view(partial_update=extend_schema(request=RoleSerializer, responses=MemberSerializer))
class MemberViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Membership]):
    """The members of a workspace. Only for its admins, except for leaving. Members join by accepting an invitation. A
    workspace keeps at least one active admin."""

    serializer_class = MemberSerializer
    queryset = Membership.objects.none()
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> QuerySet[Membership]:
        """Return the members of the workspace in the path."""
        workspace = workspace_in_path(self.kwargs["workspace_id"], self.request, Role.ADMIN)
        return Membership.objects.filter(workspace=workspace).select_related("user")

    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change the member's role."""
        member = self._locked_member()
        serializer = RoleSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        memberships.change_role(member, Role(serializer.validated_data["role"]), user_of(request))
        return Response(self.get_serializer(member).data)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove the member, and revoke pending invitations to them."""
        memberships.end(self._locked_member(), user_of(request))
        return Response(status=204)

    @extend_schema(responses={204: None})
    @action(detail=False, methods=["delete"], url_path="me", url_name="leave")
    @transaction.atomic
    def leave(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Leave the workspace, whatever your role. 409 for its last admin, who has to make another member admin
        first."""
        workspace = workspace_in_path(self.kwargs["workspace_id"], request, Role.VIEWER)
        memberships.lock(workspace)
        memberships.end(get_object_or_404(Membership, workspace=workspace, user=user_of(request)), user_of(request))
        return Response(status=204)

    def _locked_member(self) -> Membership:
        memberships.lock(workspace_in_path(self.kwargs["workspace_id"], self.request, Role.ADMIN))
        # Checks the role again: the caller may have lost it while waiting for the lock.
        return self.get_object()


def workspace_in_path(workspace_id: str, request: Request, role: Role) -> Workspace:
    """Return the workspace in the path. Raises Http404 if the caller is not a member of it, and PermissionDenied if
    they do not have `role`."""
    try:
        key = uuid.UUID(workspace_id)
    except ValueError:
        raise Http404 from None
    return get_visible_or_404(Workspace.objects.all(), request.user, role, pk=key)


@extend_schema(tags=["tokens"])
class ApiTokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ApiToken]):
    """The caller's own API tokens."""

    serializer_class = ApiTokenSerializer
    queryset = ApiToken.objects.none()

    def get_queryset(self) -> QuerySet[ApiToken]:
        """Return the caller's tokens, the revoked ones too: they say when they were last used."""
        return ApiToken.objects.filter(user=user_of(self.request))

    @extend_schema(
        request=ApiTokenSerializer, responses={201: IssuedTokenSerializer}, parameters=[idempotency.PARAMETER]
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create a token. Only this response contains it; the response to a repeated `Idempotency-Key` has null."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        issued: list[str] = []

        @transaction.atomic
        def issue() -> ApiToken:
            row, raw = ApiToken.issue(user_of(request), **serializer.validated_data)
            audit.token_changed(AuditKind.TOKEN_CREATED, row, user_of(request))
            issued.append(raw)
            return row

        row, _ = create_once(request, lambda pk: self.get_queryset().filter(pk=pk).first(), issue)
        answer = ApiTokenSerializer(row).data | {"token": issued[0] if issued else None}
        return Response(answer, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revoke the token, from the next request on. Revoking it again changes nothing."""
        token = self.get_object()
        if token.revoked_at is None:
            audit.token_changed(AuditKind.TOKEN_REVOKED, token, user_of(request))
        token.revoke()
        return Response(status=204)

"""Creates and accepts invitations to workspaces."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflow_platform.core.accounts import idempotency, invitation_emails, invitations
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.invitation_serializers import (
    InvitationSerializer,
    InviteSerializer,
    IssuedInvitationSerializer,
    JoinedSerializer,
    OfferSerializer,
)
from workflow_platform.core.accounts.models import Invitation, Role, Workspace
from workflow_platform.core.accounts.views import user_of, workspace_in_path

NOT_STORED = {"Cache-Control": "no-store"}


@extend_schema(tags=["workspaces"])
class InvitationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Invitation]):
    """Invitations to a workspace: for its admins."""

    serializer_class = InvitationSerializer
    queryset = Invitation.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_queryset(self) -> QuerySet[Invitation]:
        """Return the invitations to the workspace in the path, including ended ones."""
        return Invitation.objects.filter(workspace=self._workspace()).select_related("invited_by", "accepted_by")

    @extend_schema(
        request=InviteSerializer,
        responses={201: IssuedInvitationSerializer, 404: None, 409: None, 429: None},
        parameters=[idempotency.PARAMETER],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Invite an email address or a username. Only this response contains the link; send it to the person. It does
        not tell whether the user exists. If the platform can send email, an address gets the link by email, too."""
        workspace = self._workspace()
        serializer = InviteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        issued: list[str] = []
        row, _ = create_once(
            request,
            lambda pk: self.get_queryset().filter(pk=pk).first(),
            lambda: _invited(request, workspace, serializer.validated_data, issued),
        )
        return Response(_issued(row, issued[0] if issued else None), status=201, headers=NOT_STORED)

    @extend_schema(request=None, responses={200: IssuedInvitationSerializer, 404: None, 409: None, 429: None})
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a new link for a pending invitation, valid for seven days. The old link becomes invalid."""
        row = self.get_object()
        token = invitations.renew(row, user_of(request))
        row.refresh_from_db()
        return Response(_issued(row, token), headers=NOT_STORED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revoke the invitation. Revoking one that has ended changes nothing."""
        invitations.revoke(self.get_object(), user_of(request))
        return Response(status=204)

    def _workspace(self) -> Workspace:
        return workspace_in_path(self.kwargs["workspace_id"], self.request, Role.ADMIN)


def _issued(row: Invitation, token: str | None) -> dict[str, Any]:
    """Return the invitation with its link, which is sent by email if it can be; without it for a repeated request."""
    sent = invitation_emails.send(row, token) if token else None
    link = invitations.link(token) if token else None
    return InvitationSerializer(row).data | {"token": token, "link": link, "email_sent": sent}


def _invited(request: Request, workspace: Workspace, data: dict[str, Any], issued: list[str]) -> Invitation:
    row, token = invitations.invite(
        workspace,
        user_of(request),
        Role(data["role"]),
        email=data.get("email", ""),
        username=data.get("username", ""),
        until=data.get("expires_at"),
    )
    issued.append(token)
    return row


@extend_schema(tags=["workspaces"])
class OfferView(APIView):
    @extend_schema(responses={200: OfferSerializer, 404: None})
    def get(self, request: Request, token: str) -> Response:
        """Return the workspace and role of an invitation. Only for the user to whom it is addressed."""
        return Response(OfferSerializer(invitations.find(token, user_of(request))).data, headers=NOT_STORED)


@extend_schema(tags=["workspaces"])
class AcceptView(APIView):
    @extend_schema(request=None, responses={200: JoinedSerializer, 404: None, 409: None})
    def post(self, request: Request, token: str) -> Response:
        """Join the workspace. 404 for a token that is wrong, expired, used, revoked or for another user; 409 for a
        member."""
        return Response(JoinedSerializer(invitations.accept(token, user_of(request))).data)

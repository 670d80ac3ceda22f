"""`/api/credentials/`, `/api/credential-types/`. Admins change credentials, editors see which there are."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions import credentials
from executions.api.credential_serializers import (
    CredentialChangeSerializer,
    CredentialCreateSerializer,
    CredentialDetailSerializer,
    CredentialSerializer,
    CredentialTestResultSerializer,
    CredentialTestSerializer,
)
from executions.domain import credential_types
from executions.domain.credential_types import BadFields, OAuth2ClientCredentials, PostgresLogin
from executions.domain.errors import NodeError
from executions.models import Credential
from executions.nodes import postgres
from workflow_platform.core import outbound
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.problems import Problem

TEST_SECONDS = 15.0
NOT_STORED = {"Cache-Control": "no-store"}


def bad_fields(error: BadFields) -> Problem:
    """Return the problem that names the fields."""
    return Problem(400, str(error), list(error.errors))


class CredentialViewSet(viewsets.GenericViewSet[Credential]):
    serializer_class = CredentialSerializer
    queryset = Credential.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_queryset(self) -> QuerySet[Credential]:
        """Return those that the caller may use, without what they hold."""
        found = Credential.objects.visible_to(self.request.user, Role.EDITOR)
        return found.select_related("created_by").defer("data")

    def _credential(self, pk: str, role: Role) -> Credential:
        """Return the row. Raises Http404 for who may not even know of it, PermissionDenied for who may not do this."""
        rows = Credential.objects.visible_to(self.request.user, Role.EDITOR).select_related("created_by")
        row: Credential = get_visible_or_404(rows, self.request.user, pk=pk)
        if role is Role.ADMIN and not self._is_admin(row):
            raise PermissionDenied("This needs the role admin in the workspace.")
        return row

    def _is_admin(self, row: Credential) -> bool:
        return Credential.objects.visible_to(self.request.user, Role.ADMIN).filter(pk=row.pk).exists()

    def _shown(self, row: Credential, code: int = status.HTTP_200_OK) -> Response:
        context = {"admin": self._is_admin(row)}
        return Response(CredentialDetailSerializer(row, context=context).data, code, headers=NOT_STORED)

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(CredentialSerializer(page, many=True).data)

    @extend_schema(
        request=CredentialCreateSerializer,
        responses={201: CredentialDetailSerializer},
        parameters=[idempotency.PARAMETER],
    )
    def create(self, request: Request) -> Response:
        body = CredentialCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        user, wanted, type_ = user_of(request), given.pop("workspace", None), given.pop("type")
        try:
            row, _ = create_once(
                request,
                lambda pk: Credential.objects.visible_to(user, Role.ADMIN).filter(pk=pk).first(),
                lambda: credentials.create(
                    workspace=workspace_for(user, wanted, Role.ADMIN), by=user, type_=type_, **given
                ),
            )
        except BadFields as error:
            raise bad_fields(error) from None
        return self._shown(row, status.HTTP_201_CREATED)

    @extend_schema(responses=CredentialDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._shown(self._credential(pk, Role.EDITOR))

    @extend_schema(request=CredentialChangeSerializer, responses=CredentialDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        row = self._credential(pk, Role.ADMIN)
        body = CredentialChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            return self._shown(credentials.update(row, **body.validated_data))
        except BadFields as error:
            raise bad_fields(error) from None
        except credentials.InUse as error:
            raise Problem(409, f"name: {error}") from None

    def destroy(self, request: Request, pk: str) -> Response:
        credentials.delete(self._credential(pk, Role.ADMIN))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=CredentialTestSerializer, responses=CredentialTestResultSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Ask the URL with GET and tell the status of its answer; without a URL, fetch a token (OAuth2) or connect with
        the server (PostgreSQL)."""
        row = self._credential(pk, Role.EDITOR)
        body = CredentialTestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(_tested(row, body.validated_data["url"]), headers=NOT_STORED)


def _tested(row: Credential, url: str) -> dict[str, Any]:
    try:
        opened = credentials.opened(row)
        if isinstance(opened.fields, PostgresLogin):
            return _tested_login(opened, opened.fields)
        if not opened.fields.for_requests:
            raise Problem(400, "A credential of this type cannot be tried: it is sent nowhere.")
        if not url:
            if not isinstance(opened.fields, OAuth2ClientCredentials):
                raise Problem(400, "url: A URL is needed to try this credential.", [_URL_NEEDED])
            opened.fetch_token()
            return {"ok": True, "status": None, "detail": "The token URL gave a token."}
        headers, query = opened.apply(url, {}, {})
        answer = outbound.send("GET", url, headers=headers, params=query, timeout_seconds=TEST_SECONDS)
    except (NodeError, outbound.OutboundRefused, outbound.OutboundFailed) as error:
        return {"ok": False, "status": None, "detail": str(error)}
    return {"ok": answer.status < 400, "status": answer.status, "detail": f"The URL answered {answer.status}."}


def _tested_login(opened: credentials.OpenCredential, login: PostgresLogin) -> dict[str, Any]:
    """Connect with the server that the credential names, and with no other. What the server says is not repeated: it
    would tell an editor, who may try the credential, what only its user may know."""
    if not login.host:
        raise Problem(400, "The credential names no host, so that it cannot be tried: each node says where it goes.")
    try:
        opened.check_host(login.host)
        postgres.try_login(login)
    except NodeError as error:
        said = "The server is not there, or refused the connection." if error.retryable else "The login was refused."
        return {"ok": False, "status": None, "detail": said}
    return {"ok": True, "status": None, "detail": "The server took the login."}


_URL_NEEDED = {"field": "url", "message": "A URL is needed to try this credential.", "code": "required"}


class CredentialTypesView(APIView):
    """The types of credentials, with the JSON schema of what each holds; `writeOnly` marks the secrets."""

    @extend_schema(responses={200: list[dict]})  # type: ignore[type-arg]
    def get(self, request: Request) -> Response:
        return Response(credential_types.describe())

"""`/api/credentials/`, `/api/credential-types/`. Admins change credentials; editors list and use them."""

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
from workflow_platform.core.accounts.models import Role, TokenScope
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.accounts.workspace_choice import workspace_for
from workflow_platform.core.api.problems import Problem

TEST_SECONDS = 15.0
NOT_STORED = {"Cache-Control": "no-store"}


def bad_fields(error: BadFields) -> Problem:
    """Return the problem that lists the invalid fields."""
    return Problem(400, str(error), list(error.errors))


class CredentialViewSet(viewsets.GenericViewSet[Credential]):
    serializer_class = CredentialSerializer
    queryset = Credential.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {"test": TokenScope.EDIT}

    def get_queryset(self) -> QuerySet[Credential]:
        """Return the credentials that the caller may use, without their fields."""
        rows = Credential.objects.visible_to(self.request.user, Role.EDITOR)
        return rows.select_related("created_by").defer("data")

    def _credential(self, pk: str, role: Role) -> Credential:
        """Return the row. Raises Http404 if the caller may not see it, PermissionDenied if the role is too low."""
        rows = Credential.objects.visible_to(self.request.user, Role.EDITOR).select_related("created_by")
        row: Credential = get_visible_or_404(rows, self.request.user, pk=pk)
        if role is Role.ADMIN and not self._is_admin(row):
            raise PermissionDenied("This action requires the admin role in the workspace.")
        return row

    def _is_admin(self, row: Credential) -> bool:
        return Credential.objects.visible_to(self.request.user, Role.ADMIN).filter(pk=row.pk).exists()

    def _response(self, row: Credential, code: int = status.HTTP_200_OK) -> Response:
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
        fields = dict(body.validated_data)
        user, workspace_id, type_ = user_of(request), fields.pop("workspace", None), fields.pop("type")
        try:
            row, _ = create_once(
                request,
                lambda pk: Credential.objects.visible_to(user, Role.ADMIN).filter(pk=pk).first(),
                lambda: credentials.create(
                    workspace=workspace_for(user, workspace_id, Role.ADMIN), by=user, type_=type_, **fields
                ),
            )
        except BadFields as error:
            raise bad_fields(error) from None
        return self._response(row, status.HTTP_201_CREATED)

    @extend_schema(responses=CredentialDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._response(self._credential(pk, Role.EDITOR))

    @extend_schema(request=CredentialChangeSerializer, responses=CredentialDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        row = self._credential(pk, Role.ADMIN)
        body = CredentialChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            return self._response(credentials.update(row, **body.validated_data))
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
        """Send a GET request to the URL and return the status of the response. Without a URL, fetch a token (OAuth2) or
        connect to the server (PostgreSQL)."""
        row = self._credential(pk, Role.EDITOR)
        body = CredentialTestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(_test(row, body.validated_data["url"]), headers=NOT_STORED)


def _test(row: Credential, url: str) -> dict[str, Any]:
    try:
        opened = credentials.opened(row)
        if isinstance(opened.fields, PostgresLogin):
            return _test_login(opened, opened.fields)
        if not opened.fields.for_requests:
            raise Problem(400, "Credentials of this type cannot be tested: they are not sent in requests.")
        if not url:
            if not isinstance(opened.fields, OAuth2ClientCredentials):
                raise Problem(400, "url: A URL is required to test this credential.", [_URL_NEEDED])
            opened.fetch_token()
            return {"ok": True, "status": None, "detail": "The token URL returned a token."}
        headers, query = opened.apply(url, {}, {})
        answer = outbound.send("GET", url, headers=headers, params=query, timeout_seconds=TEST_SECONDS)
    except (NodeError, outbound.OutboundRefused, outbound.OutboundFailed) as error:
        return {"ok": False, "status": None, "detail": str(error)}
    return {
        "ok": answer.status < 400,
        "status": answer.status,
        "detail": f"The URL responded with status {answer.status}.",
    }


def _test_login(opened: credentials.OpenCredential, login: PostgresLogin) -> dict[str, Any]:
    """Connect to the server that the credential names, and to no other. The server's message is left out: an editor
    may test the credential, and the message could reveal its fields."""
    if not login.host:
        raise Problem(400, "This credential has no host, so it cannot be tested: each node sets its own host.")
    try:
        opened.check_host(login.host)
        postgres.test_login(login)
    except NodeError as error:
        retryable = error.retryable
        detail = "The server did not accept the connection." if retryable else "The server rejected the login."
        return {"ok": False, "status": None, "detail": detail}
    return {"ok": True, "status": None, "detail": "The login succeeded."}


_URL_NEEDED = {"field": "url", "message": "A URL is required to test this credential.", "code": "required"}


class CredentialTypesView(APIView):
    """The credential types, with the JSON schema of their fields; `writeOnly` marks secrets."""

    @extend_schema(responses={200: list[dict]})  # type: ignore[type-arg]
    def get(self, request: Request) -> Response:
        return Response(credential_types.describe())

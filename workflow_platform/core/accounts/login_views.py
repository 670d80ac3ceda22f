"""Logins to the API, and the current user."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import RefreshToken

from workflow_platform.core.accounts import refresh_tokens
from workflow_platform.core.accounts.authentication import BearerAuthentication
from workflow_platform.core.accounts.models import User
from workflow_platform.core.accounts.passwords import WRONG_LOGIN
from workflow_platform.core.accounts.serializers import (
    CredentialsSerializer,
    MeSerializer,
    RefreshSerializer,
    TokenPairSerializer,
)


class _OpenView(APIView):
    """An open view. It reads no credentials, so that an expired one in the request does not matter."""

    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge; without it DRF would turn a 401 into a 403."""
        return BearerAuthentication().authenticate_header(request)


class TokenView(_OpenView):
    @extend_schema(
        request=CredentialsSerializer,
        responses={200: TokenPairSerializer, 401: None, 429: None, 503: None},
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """Exchange a username and a password for an access and a refresh token. Attempts are limited for each account
        and address; a client that keeps the cookie of an earlier login has a separate limit."""
        serializer = CredentialsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = authenticate(request._request, **serializer.validated_data)
        if not isinstance(user, User):
            raise AuthenticationFailed(WRONG_LOGIN)
        update_last_login(User, user)
        return _pair(refresh_tokens.issue(user))


class TokenRefreshView(_OpenView):
    @extend_schema(request=RefreshSerializer, responses={200: TokenPairSerializer, 401: None}, auth=[], tags=["auth"])
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new access token and the next refresh token. Each refresh token works once:
        using one again ends every token of its login."""
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        refresh = refresh_tokens.rotate(serializer.validated_data["refresh"])
        if refresh is None:
            raise AuthenticationFailed("The refresh token is unknown, used, expired or revoked. Log in again.")
        return _pair(refresh)


class TokenRevokeView(_OpenView):
    @extend_schema(request=RefreshSerializer, responses={204: None}, auth=[], tags=["auth"])
    def post(self, request: Request) -> Response:
        """End the login of a refresh token, with its access tokens. An unknown token gets the same response."""
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        refresh_tokens.revoke(serializer.validated_data["refresh"])
        return Response(status=204)


class MeView(APIView):
    @extend_schema(responses=MeSerializer, tags=["auth"])
    def get(self, request: Request) -> Response:
        """Return the caller, with their role in each workspace."""
        me = User.objects.prefetch_related("memberships__workspace").get(username=request.user.get_username())
        return Response(MeSerializer(me).data)


def _pair(refresh: RefreshToken) -> Response:
    pair: dict[str, Any] = {"access": str(refresh.access_token), "refresh": str(refresh)}
    return Response(pair, headers={"Cache-Control": "no-store"})

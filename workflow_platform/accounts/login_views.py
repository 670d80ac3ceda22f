"""Logging in to the API, and who one is there."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import RefreshToken

from workflow_platform.accounts.authentication import BearerAuthentication, tokens_for, user_of_jwt, verified_jwt
from workflow_platform.accounts.login_limit import record_failure, seconds_to_wait
from workflow_platform.accounts.models import User
from workflow_platform.accounts.serializers import (
    AccessSerializer,
    CredentialsSerializer,
    MeSerializer,
    RefreshSerializer,
    TokenPairSerializer,
)
from workflow_platform.client_address import client_address


class LoginThrottle(BaseThrottle):
    """Answers 429 while there have been too many failures. Successful logins are never counted."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Tell whether this login may be tried."""
        self._seconds = seconds_to_wait(*who(request))
        return self._seconds == 0

    def wait(self) -> float:
        """Return what Retry-After says."""
        return self._seconds


def who(request: Request) -> tuple[str, str]:
    """Return the address and the name of a login. Headers are believed as far as TRUSTED_PROXIES wrote them."""
    data = request.data
    username = data.get("username", "") if isinstance(data, dict) else ""
    return str(client_address(request.META) or ""), str(username)


class _OpenView(APIView):
    """Open to everybody: no credentials are read, so a stale one in the request does not get in the way."""

    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge, without which DRF would turn a 401 into a 403."""
        return BearerAuthentication().authenticate_header(request)


class TokenView(_OpenView):
    throttle_classes = [LoginThrottle]

    @extend_schema(request=CredentialsSerializer, responses=TokenPairSerializer, auth=[], tags=["auth"])
    def post(self, request: Request) -> Response:
        """Exchange a name and a password for an access and a refresh token."""
        given = CredentialsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user = authenticate(request._request, **given.validated_data)
        if not isinstance(user, User):
            record_failure(*who(request))
            raise AuthenticationFailed("No active user has this name and password.")
        update_last_login(User, user)
        refresh = tokens_for(user)
        return _unstored({"access": str(refresh.access_token), "refresh": str(refresh)})


class TokenRefreshView(_OpenView):
    @extend_schema(request=RefreshSerializer, responses=AccessSerializer, auth=[], tags=["auth"])
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new access token."""
        given = RefreshSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        refresh = verified_jwt(RefreshToken, given.validated_data["refresh"])
        if refresh is None or user_of_jwt(refresh) is None:
            raise AuthenticationFailed("The refresh token is unknown or expired.")
        return _unstored({"access": str(refresh.access_token)})


class MeView(APIView):
    @extend_schema(responses=MeSerializer, tags=["auth"])
    def get(self, request: Request) -> Response:
        """Say who the caller is, and in which workspaces they hold which role."""
        me = User.objects.prefetch_related("memberships__workspace").get(username=request.user.get_username())
        return Response(MeSerializer(me).data)


def _unstored(data: dict[str, Any]) -> Response:
    return Response(data, headers={"Cache-Control": "no-store"})

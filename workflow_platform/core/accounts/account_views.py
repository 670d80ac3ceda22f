"""The caller's own account: their default workspace, their password, and the end of their sessions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as PasswordTooWeak
from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflow_platform.core.accounts import audit, passwords, sessions
from workflow_platform.core.accounts.account_serializers import (
    AccountChangeSerializer,
    AccountSerializer,
    EndedSerializer,
    EndSessionsSerializer,
    PasswordSerializer,
    SessionSerializer,
    shown_sessions,
)
from workflow_platform.core.accounts.models import AuditKind, User
from workflow_platform.core.accounts.views import user_of


@extend_schema(tags=["account"])
class AccountView(APIView):
    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """Show the account."""
        return _shown(user_of(request))

    @extend_schema(request=AccountChangeSerializer, responses={200: AccountSerializer, 429: None, 503: None})
    def patch(self, request: Request) -> Response:
        """Change the given fields of the account. Another email address needs the current password, whose attempts are
        limited like logins."""
        user = user_of(request)
        serializer = AccountChangeSerializer(data=request.data, context={"user": user})
        serializer.is_valid(raise_exception=True)
        names = {"default_workspace": "default_workspace_id"}
        values: dict[str, Any] = dict(serializer.validated_data)
        password = values.pop("current_password", None)
        if values.get("email", user.email) != user.email:
            _check_password(request, user, password)
        changed: dict[str, Any] = {names.get(name, name): value for name, value in values.items()}
        if changed:
            User.objects.filter(pk=user.pk).update(**changed)
        return _shown(user)


@extend_schema(tags=["account"])
class PasswordView(APIView):
    @extend_schema(request=PasswordSerializer, responses={200: EndedSerializer, 429: None, 503: None})
    def post(self, request: Request) -> Response:
        """Change the password. Sessions on other devices and all JWTs end; API tokens too, unless `end_tokens` is
        false. Attempts are limited like logins."""
        user = user_of(request)
        serializer = PasswordSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        try:
            validate_password(values["new_password"], user)
        except PasswordTooWeak as error:
            raise ValidationError({"new_password": error.messages}) from None
        _check_password(request, user, values["current_password"])
        user.set_password(values["new_password"])
        with transaction.atomic():
            user.save(update_fields=["password"])
            audit.account_changed(AuditKind.PASSWORD_CHANGED, user, user)
            ended = sessions.end_tokens(user, api_tokens=values["end_tokens"])
        sessions.keep_this_session(request._request, user)
        return Response({"ended_api_tokens": ended})


@extend_schema(tags=["account"])
class EndSessionsView(APIView):
    @extend_schema(request=EndSessionsSerializer, responses=EndedSerializer)
    def post(self, request: Request) -> Response:
        """Log out everywhere: end every session but the current one, and all JWTs; API tokens too, if requested."""
        user = user_of(request)
        serializer = EndSessionsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        ended = sessions.end_sessions(user, api_tokens=serializer.validated_data["end_tokens"])
        sessions.keep_this_session(request._request, user)
        return Response({"ended_api_tokens": ended})


@extend_schema(tags=["account"])
class SessionsView(APIView):
    @extend_schema(responses=SessionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List your logins: sessions of browsers, and logins of programs that have JWTs. At most 100 of each kind."""
        session: Any = request._request.session
        return Response(SessionSerializer(shown_sessions(user_of(request), session.session_key), many=True).data)


@extend_schema(tags=["account"])
class SessionView(APIView):
    @extend_schema(responses={204: None, 404: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        """End one of your logins. Its open connections close."""
        if not sessions.end_one(user_of(request), session_id):
            raise Http404
        return Response(status=204)


def _check_password(request: Request, user: User, password: str | None) -> None:
    if password is None:
        message = "The email address is changed with the current password."
        raise ValidationError({"current_password": [message]}, code="required")
    if not passwords.is_right(request._request, user.username, user, password):
        raise ValidationError({"current_password": [passwords.WRONG_CURRENT]}, code="wrong")


def _shown(user: User) -> Response:
    row = User.objects.prefetch_related("memberships__workspace").get(pk=user.pk)
    return Response(AccountSerializer(row).data)

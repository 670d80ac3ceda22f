"""The caller's own account: their default workspace, their password, and the end of their sessions."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as PasswordTooWeak
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflow_platform.core.accounts import passwords, sessions
from workflow_platform.core.accounts.account_serializers import (
    AccountChangeSerializer,
    AccountSerializer,
    EndedSerializer,
    EndSessionsSerializer,
    PasswordSerializer,
)
from workflow_platform.core.accounts.models import User
from workflow_platform.core.accounts.views import user_of


@extend_schema(tags=["account"])
class AccountView(APIView):
    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """Show the account."""
        return _shown(user_of(request))

    @extend_schema(request=AccountChangeSerializer, responses=AccountSerializer)
    def patch(self, request: Request) -> Response:
        """Change the given fields of the account."""
        user = user_of(request)
        serializer = AccountChangeSerializer(data=request.data, context={"user": user})
        serializer.is_valid(raise_exception=True)
        names = {"default_workspace": "default_workspace_id"}
        changed = {names.get(name, name): value for name, value in serializer.validated_data.items()}
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
        if not passwords.is_right(request._request, user.username, user, values["current_password"]):
            raise ValidationError({"current_password": [passwords.WRONG_CURRENT]}, code="wrong")
        user.set_password(values["new_password"])
        with transaction.atomic():
            user.save(update_fields=["password"])
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


def _shown(user: User) -> Response:
    row = User.objects.prefetch_related("memberships__workspace").get(pk=user.pk)
    return Response(AccountSerializer(row).data)

"""`GET /api/session/`: whether the browser is signed in. Pages ask it after their session has ended."""

from __future__ import annotations

from typing import Any

from django.middleware.csrf import get_token
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class BrowserUserSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()


class BrowserSessionSerializer(serializers.Serializer[Any]):
    user = BrowserUserSerializer(allow_null=True, help_text="Null: the browser is not signed in.")
    csrf_token = serializers.CharField(help_text="For the header `X-CSRFToken` of the requests of this session.")


class BrowserSessionView(APIView):
    authentication_classes = (SessionAuthentication,)
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="session", responses=BrowserSessionSerializer, tags=["auth"], auth=[])
    def get(self, request: Request) -> Response:
        """Return the user of the browser's session, and the CSRF token, which a new sign-in changes."""
        user = request.user if request.user.is_authenticated else None
        shown = {"user": user and {"id": user.pk, "username": user.get_username()}}
        headers = {"Cache-Control": "no-store"}
        return Response(shown | {"csrf_token": get_token(request._request)}, headers=headers)

"""`/api/executions/columns/`: the columns of the list of executions that the caller sees."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.listing.columns import LABELS, MAX_COLUMNS, choose_columns, chosen_columns, is_column
from workflow_platform.core.accounts.models import TokenScope
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.api.inputs import BodySerializer

_HELP = f"Any of {', '.join(LABELS)}, and `attribute.` with the key of an attribute."


class ColumnsSerializer(serializers.Serializer[Any]):
    columns = serializers.ListField(child=serializers.CharField(), help_text=_HELP)


class ColumnsWriteSerializer(BodySerializer):
    closed = True
    columns = serializers.ListField(child=serializers.CharField(max_length=80), max_length=MAX_COLUMNS, help_text=_HELP)

    def validate_columns(self, names: list[str]) -> list[str]:
        """Reject a name that is no column."""
        if unknown := next((name for name in names if not is_column(name)), None):
            raise serializers.ValidationError(f"The list has no column {unknown!r}. {_HELP}")
        return names


class ColumnsView(APIView):
    token_scopes = {ELSE: TokenScope.RUN}

    @extend_schema(responses=ColumnsSerializer)
    def get(self, request: Request) -> Response:
        """Retrieve the columns of the list of executions that you have chosen, besides status and workflow."""
        return Response({"columns": chosen_columns(user_of(request))})

    @extend_schema(request=ColumnsWriteSerializer, responses=ColumnsSerializer)
    def put(self, request: Request) -> Response:
        """Choose the columns of the list of executions. Saved views can have others."""
        body = ColumnsWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({"columns": choose_columns(user_of(request), body.validated_data["columns"])})

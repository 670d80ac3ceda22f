"""`/api/search/`: what the command palette finds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.listing.search import FOUND, MAX_RECENT, MAX_TEXT, search
from workflow_platform.core.api.inputs import QuerySerializer

KINDS = ["workflow", "execution", "endpoint"]


class SearchQuerySerializer(QuerySerializer):
    q = serializers.CharField(
        max_length=MAX_TEXT,
        required=False,
        help_text="Characters of a name, in their order, or the first 8 or more digits of an execution's id.",
    )
    recent = serializers.CharField(
        max_length=37 * MAX_RECENT,
        required=False,
        help_text=f"Without `q`: up to {MAX_RECENT} ids, separated by commas, that come first if the caller sees them.",
    )

    def validate_recent(self, text: str) -> list[UUID]:
        """Return the ids."""
        ids = text.split(",")
        if len(ids) > MAX_RECENT:
            raise serializers.ValidationError(f"Give at most {MAX_RECENT} ids, not {len(ids)}.")
        try:
            return [UUID(each) for each in ids]
        except ValueError:
            raise serializers.ValidationError("Expected ids (UUIDs), separated by commas.") from None


class FoundSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=KINDS)
    id = serializers.UUIDField()
    title = serializers.CharField()
    detail = serializers.CharField(help_text="Of a workflow its description, of an execution its status.")
    workspace = serializers.CharField(help_text="The name of the workspace.")
    page = serializers.CharField(help_text="The path of its page.")


class SearchResultsSerializer(serializers.Serializer[Any]):
    results = FoundSerializer(many=True, help_text=f"Up to {FOUND} of each kind, the best match first.")


class SearchView(APIView):
    @extend_schema(parameters=[SearchQuerySerializer], responses=SearchResultsSerializer)
    def get(self, request: Request) -> Response:
        """Search workflows and endpoints by name, and executions by id, in the caller's workspaces."""
        query = SearchQuerySerializer.of(request).validated_data
        found = search(request.user, query.get("q", "").strip(), query.get("recent", ()))
        return Response(SearchResultsSerializer({"results": [asdict(each) for each in found]}).data)

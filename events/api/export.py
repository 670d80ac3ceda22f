"""`GET /api/events/export/`: a stream as a file for `manage.py import_events`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from events.api.history import NDJSON, LinesRenderer
from events.catalogue.stream_names import FEED, SYSTEM
from events.log import reading
from events.log.models import Stream
from events.transfer.exporting import CannotExport, StreamExport
from workflow_platform.core.api.inputs import QuerySerializer
from workflow_platform.core.database_threads import in_database


class ExportQuerySerializer(QuerySerializer):
    stream = serializers.CharField(max_length=80, help_text="`execution:<id>`, `workflow:<id>`, `system` (staff).")

    def validate_stream(self, name: str) -> str:
        """Reject the stream of all executions."""
        if name == FEED:
            raise serializers.ValidationError(str(CannotExport.__doc__))
        return name


class ExportView(APIView):
    renderer_classes = [JSONRenderer, LinesRenderer]

    @extend_schema(
        operation_id="events_export",
        parameters=[ExportQuerySerializer],
        responses={(200, NDJSON): OpenApiTypes.STR, 404: None},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Export a stream as JSON lines: a header, then one event per line, up to the current head.

        To export the events that match a filter, use `/api/events/` with `format=ndjson`.
        """
        query = ExportQuerySerializer.of(request)
        export = StreamExport(_visible(request.user, query.validated_data["stream"]))
        headers = {"Content-Disposition": f'attachment; filename="{export.file_name}"'}
        return StreamingHttpResponse(_lines(export), content_type=NDJSON, headers=headers)


def _visible(user: Any, name: str) -> reading.StreamState:
    """Return the stream. Raises Http404 if it does not exist or the caller may not see it."""
    state = reading.states([name]).get(name)
    if state is None:
        raise Http404
    staffs = state.name == SYSTEM and user.is_staff
    if not staffs and not Stream.objects.visible_to(user).filter(pk=state.id).exists():
        raise Http404
    return state


async def _lines(export: StreamExport) -> AsyncIterator[bytes]:
    yield await in_database(export.header)
    lines, sequence = await in_database(export.page, 0)
    while lines:
        yield lines
        lines, sequence = await in_database(export.page, sequence)

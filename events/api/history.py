"""`GET /api/events/`, history over all streams, and `GET /api/event-types/`, the catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events.api.query_fields import CursorField, EventFilterSerializer
from events.catalogue.descriptions import DESCRIPTIONS
from events.catalogue.event_types import CATALOGUE, LIFECYCLE, TERMINAL
from events.history import history
from events.history.event_filter import is_own
from events.history.history import Cursor, EventFilter, Page
from workflow_platform.core.database_threads import in_database

NDJSON = "application/x-ndjson"
MOST_LINES = 100_000


class EventSerializer(serializers.Serializer[Any]):
    """An event, as every interface shows it."""

    id = serializers.UUIDField()
    type = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    stream = serializers.CharField()
    sequence = serializers.IntegerField()
    time = serializers.DateTimeField()
    execution_id = serializers.UUIDField(allow_null=True)
    workflow_id = serializers.UUIDField(allow_null=True)
    mode = serializers.ChoiceField(
        choices=["test", "debug"],
        required=False,
        help_text="The mode of the execution; absent for live executions and other events.",
    )
    data = serializers.DictField()  # type: ignore[assignment]


class HistoryPageSerializer(serializers.Serializer[Any]):
    events = EventSerializer(many=True)
    next = serializers.CharField(
        help_text="The cursor: pass it as `after` to continue in the same order, now or later."
    )
    more = serializers.BooleanField(help_text="Whether more events are, or may be, available now.")
    complete = serializers.BooleanField(
        help_text="False if the search reached its time limit; the response has the events found so far. Continue with "
        "`next`."
    )
    reached = serializers.IntegerField(
        required=False,
        help_text="The sequence that the search has reached; with `execution` or one `stream` that `before` allows.",
    )
    newest = serializers.CharField(
        required=False,
        help_text="On the first page of `order=newest`: pass it as `after` with `order=oldest` to get later events.",
    )


class HistoryQuerySerializer(EventFilterSerializer):
    after = CursorField(required=False, help_text="`next` of an earlier response.")
    limit = serializers.IntegerField(
        min_value=1,
        max_value=MOST_LINES,
        required=False,
        help_text="The maximum number of events: up to 1,000 (default 100), with `format=ndjson` up to 100,000.",
    )
    order = serializers.ChoiceField(
        choices=["oldest", "newest"], default="oldest", help_text="Which events come first."
    )
    workspace = serializers.UUIDField(required=False, help_text="Only events of this workspace.")

    def event_filter(self, user: Any) -> EventFilter:
        """Return the filter, limited to what `user` may see, and to the workspace."""
        event_filter = super().event_filter(user)
        if (workspace := self.validated_data.get("workspace")) is None:
            return event_filter
        visible = [each for each in event_filter.workspaces or () if each == workspace]
        return replace(event_filter, workspaces=visible, installation=False)


class EventTypeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    description = serializers.CharField()
    lifecycle = serializers.BooleanField(help_text="Also shown in the stream `executions`.")
    terminal = serializers.BooleanField(help_text="The last event of its stream.")
    fields = serializers.ListField(child=serializers.CharField(), help_text="The schema of its data.")  # type: ignore[assignment]


class LinesRenderer(BaseRenderer):
    """Offers JSON lines in content negotiation; the view writes them itself."""

    media_type = NDJSON
    format = "ndjson"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return a problem as a line."""
        return orjson.dumps(data) + b"\n"


class EventsView(APIView):
    renderer_classes = [JSONRenderer, LinesRenderer]

    @extend_schema(
        operation_id="events_list",
        parameters=[
            HistoryQuerySerializer,
            OpenApiParameter(
                "format", OpenApiTypes.STR, enum=["json", "ndjson"], description="ndjson: one event per line."
            ),
        ],
        responses={(200, "application/json"): HistoryPageSerializer, (200, NDJSON): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> Any:
        """List the events of all streams that the caller may see, in one order that keeps the order of each stream.

        A transaction that commits late never makes a reader with a cursor skip an event. With `format=ndjson` the
        response has one event per line, and a last line `{"next": …, "more": …, "complete": …}`.
        """
        query = HistoryQuerySerializer.of(request)
        event_filter, parameters = query.event_filter(request.user), query.validated_data
        after, newest_first = parameters.get("after"), parameters["order"] == "newest"
        if request.accepted_renderer.format == "ndjson":
            lines = _lines(event_filter, after, parameters.get("limit", MOST_LINES), newest_first)
            return StreamingHttpResponse(lines, content_type=NDJSON)
        limit = parameters.get("limit", 100)
        if limit > history.MAX_PAGE:
            raise serializers.ValidationError({"limit": [f"At most {history.MAX_PAGE} in one response."]})
        # Read before the page: events that are written in between are returned twice rather than never.
        newest = {"newest": str(history.head(event_filter))} if newest_first and after is None else {}
        page = history.read(event_filter, after, limit, newest_first)
        events = ",".join([event.json(event.stream) for event in page.events])
        rest = orjson.dumps(_page_status(page) | _reached(event_filter, page) | newest).decode()
        return HttpResponse(f'{{"events":[{events}],{rest[1:]}', content_type="application/json")


def _page_status(page: Page) -> dict[str, Any]:
    return {"next": str(page.cursor), "more": page.more, "complete": page.complete}


def _reached(event_filter: EventFilter, page: Page) -> dict[str, int]:
    one_stream = event_filter.execution is not None or (
        len(event_filter.streams) == 1 and all(map(is_own, event_filter.streams))
    )
    return {"reached": page.cursor.sequence} if one_stream else {}


async def _lines(
    event_filter: EventFilter, after: Cursor | None, limit: int, newest_first: bool
) -> AsyncIterator[bytes]:
    """Yield one line for each event, then the cursor. A slow client holds one page in memory."""
    while True:
        page = await in_database(history.read, event_filter, after, min(limit, history.MAX_PAGE), newest_first)
        after, limit = page.cursor, limit - len(page.events)
        if page.events:
            yield "".join([event.json(event.stream) + "\n" for event in page.events]).encode()
        if not page.more or not limit:
            yield orjson.dumps(_page_status(page)) + b"\n"
            return


class EventTypesView(APIView):
    @extend_schema(operation_id="event_types_list", responses={200: EventTypeSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """List the event types."""
        return Response(
            [
                {
                    "type": name,
                    "description": DESCRIPTIONS[name],
                    "lifecycle": name in LIFECYCLE,
                    "terminal": name in TERMINAL,
                    "fields": list(payload.model_fields),
                }
                for name, payload in CATALOGUE.items()
            ]
        )

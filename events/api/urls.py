from django.urls import path

from events import sse
from events.api.export import ExportView
from events.api.history import EventsView, EventTypesView

urlpatterns = [
    path("executions/<uuid:execution_id>/stream/", sse.execution_stream, name="execution-stream"),
    path("events/stream/", sse.streams, name="streams"),
    path("events/", EventsView.as_view(), name="events"),
    path("events/export/", ExportView.as_view(), name="events-export"),
    path("event-types/", EventTypesView.as_view(), name="event-types"),
]

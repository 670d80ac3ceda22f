from django.urls import path
from rest_framework.routers import SimpleRouter

from events.api.export import ExportView
from events.api.history import EventsView, EventTypesView
from events.api.replays import ReplayView, ReplayViewSet
from events.streaming import sse

router = SimpleRouter()
router.register("events/replays", ReplayViewSet, basename="replay")

urlpatterns = [
    path("executions/<uuid:execution_id>/stream/", sse.execution_stream, name="execution-stream"),
    path("events/stream/", sse.streams, name="streams"),
    path("events/", EventsView.as_view(), name="event-list"),
    path("events/export/", ExportView.as_view(), name="events-export"),
    path("events/replay/", ReplayView.as_view(), name="replay"),
    path("event-types/", EventTypesView.as_view(), name="event-types"),
    *router.urls,
]

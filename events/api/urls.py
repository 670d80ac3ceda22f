from django.urls import path

from events.api.export import ExportView
from events.api.history import EventsView, EventTypesView

urlpatterns = [
    path("events/", EventsView.as_view(), name="event-list"),
    path("events/export/", ExportView.as_view(), name="events-export"),
    path("event-types/", EventTypesView.as_view(), name="event-types"),
]

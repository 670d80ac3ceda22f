from django.urls import path

from events.api.history import EventsView, EventTypesView

urlpatterns = [
    path("events/", EventsView.as_view(), name="events"),
    path("event-types/", EventTypesView.as_view(), name="event-types"),
]

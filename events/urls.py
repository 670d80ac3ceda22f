from django.urls import path

from events import sse

urlpatterns = [
    path("executions/<uuid:execution_id>/stream/", sse.execution_stream, name="execution-stream"),
    path("events/stream/", sse.streams, name="streams"),
]

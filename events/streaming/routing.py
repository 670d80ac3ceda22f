from django.conf import settings
from django.urls import path

from events.streaming.websocket import StreamConsumer

_root = settings.WS_PATH.strip("/")

websocket_urlpatterns = [
    path(f"{_root}/", StreamConsumer.as_asgi()),
    path(f"{_root}/executions/<uuid:execution_id>/", StreamConsumer.as_asgi()),
]

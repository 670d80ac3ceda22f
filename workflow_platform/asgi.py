"""The web process: HTTP to Django, WebSockets to the stream consumers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402 - models are there only now
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from events.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        # The consumer checks the origin itself: by full origin, and only where a cookie is what opens the door.
        "websocket": AuthMiddlewareStack(URLRouter(websocket_urlpatterns)),
    }
)

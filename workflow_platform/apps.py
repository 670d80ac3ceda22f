from typing import Any

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "workflow_platform"
    label = "platform"

    def ready(self) -> None:
        """Register the checks, and make django-rq use our Redis clients."""
        # These read the settings of RQ when they are imported, or use models: Django allows that only now.
        from django_rq import connection_utils, cron, queues, utils

        from workflow_platform import checks  # noqa: F401 - registers them
        from workflow_platform.core.redis_server import queue_connection

        # django-rq has no setting for this, and its own clients wait for minutes.
        modules: tuple[Any, ...] = (connection_utils, cron, queues, utils)
        for module in modules:
            module.get_redis_connection = queue_connection

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_login_failed

from workflow_platform.core.instruments import Counter

FAILED_LOGINS = Counter("logins_failed_total", "Logins with a wrong name or password.")


class MetricsConfig(AppConfig):
    name = "workflow_platform.core.metrics"
    label = "metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Count failed logins, and declare what every process measures, so that it is shown before it happens."""
        from workflow_platform.core.metrics import reporting  # noqa: F401 - declares
        from workflow_platform.core.sandbox import pool  # noqa: F401 - declares

        user_login_failed.connect(_count, dispatch_uid="metrics.logins_failed")


def _count(**_: Any) -> None:
    FAILED_LOGINS.add()

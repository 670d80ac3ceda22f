"""Errors to Sentry: the optional extra `sentry`. What the log has at ERROR is reported, redacted as everything shown.

Only the log is listened to: uncaught errors, failed requests and failed jobs are all logged. No integration reads
requests, their bodies or local variables, which hold the data of users.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.conf import settings

from workflow_platform.core.secrets.secret_names import masked

try:
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
except ImportError:
    _INSTALLED = False
else:
    _INSTALLED = True

if TYPE_CHECKING:
    from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint

MISSING = "SENTRY_DSN needs the extra: pip install 'workflow-platform[sentry]', or unset it."
_NOT_SENT = ("request", "user", "modules")


def is_installed() -> bool:
    """Return whether errors can be sent to Sentry."""
    return _INSTALLED


def start(component: str) -> bool:
    """Report the errors of this process to SENTRY_DSN. Returns whether they are: without a DSN, nothing is done."""
    if not settings.SENTRY_DSN or not _INSTALLED:
        return False
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=logging.INFO, event_level=logging.ERROR),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_event,
        before_breadcrumb=_breadcrumb,
    )
    sentry_sdk.set_tag("component", component)
    return True


def _event(event: Event, hint: Hint) -> Event:
    for name in _NOT_SENT:
        event.pop(name, None)  # type: ignore[misc]
    return masked(event)  # type: ignore[no-any-return]


def _breadcrumb(crumb: Breadcrumb, hint: BreadcrumbHint) -> Breadcrumb:
    return masked(crumb)  # type: ignore[no-any-return]

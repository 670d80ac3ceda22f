"""Headers of every response of pages, the admin site and the API: content policy, permissions, caching.

Django 6.0 has the policy built in; until then a constant header needs no library. django-csp would add a dependency and
two thread switches to each request, for nonces that no page here needs.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template import loader

from workflow_platform.core.middleware import Middleware
from workflow_platform.core.page_modules import page_modules

CSP = "Content-Security-Policy"
POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
"""What a page may load: only what this installation serves, and nothing inline, the import maps apart."""
DOCS_POLICY = POLICY | {"img-src": ["'self'", "data:"], "font-src": ["'self'", "data:"]}
"""The API documentation: its style sheet has pictures as data."""
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation",
        "gyroscope", "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get",
        "screen-wake-lock", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip
NOT_STORED = "private, no-store"
_QUEUE_PATHS = ("/admin/rq/", "/admin/django_rq/")
_QUEUE_TEMPLATES = (
    "jobs", "finished_jobs", "failed_jobs", "deferred_jobs", "scheduled_jobs", "started_job_registry", "scheduler",
    "workers", "clear_queue", "clear_failed_queue", "requeue_all", "delete_job", "result_detail", "stats",
    "worker_details",
)  # fmt: skip
_INLINE = re.compile(r"<(script|style)[^>]*>(.*?)</\1>", re.DOTALL)


class PageHeadersMiddleware(Middleware):
    """Adds what a response does not have already. Responses under /hooks/ and static files do not come here."""

    def completed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with the headers."""
        response.headers.setdefault(CSP, policy_of(request.path))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cache-Control", NOT_STORED)
        return response


def policy_of(path: str) -> str:
    """Return the policy of the page with a path."""
    if path == "/api/docs/":
        return _written(DOCS_POLICY)
    return _queue_policy() if path.startswith(_QUEUE_PATHS) else _page_policy()


def _page_policy() -> str:
    """Return the policy of pages: `POLICY`, and the import map, the one inline script that they have, in any
    language."""
    return _written(POLICY | {"script-src": ["'self'", *page_modules().import_map_digests]})


def _written(policy: dict[str, list[str]]) -> str:
    return "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in policy.items())


@cache
def _queue_policy() -> str:
    """Return the policy of the pages of Django RQ: the hashes of the scripts and styles that its templates contain."""
    hashes: dict[str, set[str]] = {"script": set(), "style": set()}
    for name in _QUEUE_TEMPLATES:
        source = loader.get_template(f"django_rq/{name}.html").template.source  # type: ignore[attr-defined]
        for kind, content in _INLINE.findall(source):
            if content.strip() and "{" + "%" not in content:
                digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
                hashes[kind].add(f"'sha256-{digest}'")
    return _written(POLICY | {f"{kind}-src": ["'self'", *sorted(found)] for kind, found in hashes.items()})

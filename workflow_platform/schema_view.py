"""`GET /api/schema/`: the OpenAPI document, generated once per process."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from workflow_platform.core.accounts import schema  # noqa: F401 - registers how bearer tokens are described

_generating = threading.Lock()


def document() -> dict[str, Any]:
    """Return the OpenAPI document. Do not change it."""
    # DRF has one schema inspector for each view class and sets the view on it, so two threads that generate at once
    # would mix up their views.
    with _generating:
        return _document()


@cache
def _document() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@cache
def _rendered(renderer: type[Any]) -> bytes:
    return bytes(renderer().render(document(), renderer_context={}))


class SchemaView(SpectacularAPIView):
    """The document as YAML or JSON."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the document."""
        renderer = request.accepted_renderer
        headers = {"Content-Disposition": f'inline; filename="schema.{renderer.format}"'}
        kind: Any = type(renderer)
        return HttpResponse(_rendered(kind), content_type=renderer.media_type, headers=headers)

"""Which static files `collectstatic` takes."""

from __future__ import annotations

from django.contrib.staticfiles.apps import StaticFilesConfig


class CollectedStaticFiles(StaticFilesConfig):
    """Leaves out ReDoc, 11 MB with its compressed copies, which no page uses: the API is documented by Swagger UI."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "redoc"]

"""The baseline of the execution figures: a view that commits one row for each request, and nothing else."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.bare_settings")

import orjson  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

TABLE = "CREATE TABLE IF NOT EXISTS bare_row (id bigserial PRIMARY KEY, data jsonb NOT NULL)"


def keep(request: HttpRequest) -> HttpResponse:
    """Keep the body of the request as a row, committed."""
    body: Any = orjson.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bare_row (data) VALUES (%s) RETURNING id", [orjson.dumps(body).decode()])
        (number,) = cursor.fetchone()
    answer = orjson.dumps({"id": number})
    return HttpResponse(answer, content_type="application/json", headers={"Content-Length": str(len(answer))})


urlpatterns = [path("keep/", keep)]
application = get_asgi_application()

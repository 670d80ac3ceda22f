"""The baseline of the execution figures: a view that commits one row for each request, and nothing else."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.bare_settings")

import orjson
from django.core.asgi import get_asgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path


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

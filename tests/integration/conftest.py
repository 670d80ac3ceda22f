"""After every test that ran executions: what their history tells is what the database holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from executions import background
from tests.conftest import Platform
from tests.folding import ENDED, check_history
from workflow_platform.embedded import wait_until


@pytest.fixture(autouse=True)
def history_is_true(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare each execution that ended during the test with the fold of its history."""
    if "platform" not in request.fixturenames:
        yield
        return
    platform: Platform = request.getfixturevalue("platform")
    before = newest(platform)
    yield
    url: str | None = "/api/executions/"
    while url:
        page = platform.request("GET", url).json()
        for row in page["results"]:
            if row["id"] == before:
                return
            if row["status"] in ENDED:
                check_history(platform, row["id"])
        url = page["next"] and page["next"].removeprefix(platform.url)


@pytest.fixture(autouse=True)
def engine_is_quiet(_django_db_marker: None) -> Iterator[None]:
    """Let the engine's thread in this process end what a test gave it while there are tables."""
    yield
    wait_until(background.is_idle, "The engine's background thread")


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """Let pages that are rendered in this process name static files that were not collected."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


def newest(platform: Platform) -> str | None:
    found = platform.request("GET", "/api/executions/").json()["results"]
    return str(found[0]["id"]) if found else None

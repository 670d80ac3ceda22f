"""After every test that ran executions: what their history tells is what the database holds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from executions.admission import after_commit
from tests.conftest import Platform
from tests.folding import ENDED, check_history
from workflow_platform.installation.embedded import wait_until


@pytest.fixture(autouse=True)
def history_is_true(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare each execution that ended during the test with the fold of its history."""
    if "platform" not in request.fixturenames:
        yield
        return
    platform: Platform = request.getfixturevalue("platform")
    before = newest(platform)
    yield
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda execution: check_history(platform, execution), ended_since(platform, before)))


@pytest.fixture(autouse=True)
def engine_is_quiet(_django_db_marker: None) -> Iterator[None]:
    """Let the engine's thread in this process end what a test gave it while there are tables."""
    yield
    wait_until(after_commit.is_idle, "The engine's background thread")


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Let passwords that are hashed in this process cost nothing; those of the platform cost what they always do."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """Let pages that are rendered in this process name static files that were not collected."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


def ended_since(platform: Platform, before: str | None) -> list[str]:
    """Return the executions that are newer than this one and have ended."""
    found: list[str] = []
    url: str | None = "/api/executions/"
    while url:
        page = platform.request("GET", url).json()
        for row in page["results"]:
            if row["id"] == before:
                return found
            if row["status"] in ENDED:
                found.append(row["id"])
        url = page["next"] and page["next"].removeprefix(platform.url)
    return found


def newest(platform: Platform) -> str | None:
    found = platform.request("GET", "/api/executions/").json()["results"]
    return str(found[0]["id"]) if found else None

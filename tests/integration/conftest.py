"""After every test that ran executions: what their history tells is what the database holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from executions.admission import after_commit
from tests.conftest import Platform
from tests.folding import check_ended
from workflow_platform.installation.embedded import wait_until


@pytest.fixture(autouse=True)
def history_is_true(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare each execution that was started in the test and has ended with the fold of its history."""
    began = datetime.now(UTC)
    yield
    if "platform" in request.fixturenames:
        platform: Platform = request.getfixturevalue("platform")
        check_ended(platform.environment["DATABASE_URL"], began)


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
    """Let pages that are rendered in this process name static files that were not collected.

    Nobody asks this process for a static file: without a folder, a client does not look through those of a platform
    beside it, which takes 75 ms for each client.
    """
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    settings.STATIC_ROOT = None

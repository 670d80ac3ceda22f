"""Settings of the baseline of the execution figures: the platform's, without middleware and with one view."""

from __future__ import annotations

from workflow_platform.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.bare_view"
MIDDLEWARE: list[str] = []

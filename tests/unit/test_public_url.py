from __future__ import annotations

from typing import Any

import pytest

from workflow_platform.checks import check_environment


@pytest.mark.parametrize("url", ["flows.example.com", "ftp://a.example", "https://", "https://a.example?b=c"])
def test_an_address_that_nobody_can_call_is_named_at_start(settings: Any, url: str) -> None:
    settings.PUBLIC_URL = url
    assert [str(error.msg) for error in check_environment(None) if "PUBLIC_URL" in str(error.msg)]


@pytest.mark.parametrize("url", ["https://flows.example.com", "http://127.0.0.1:8000", "https://a.example/flows"])
def test_an_address_that_others_can_call_is_fine(settings: Any, url: str) -> None:
    settings.PUBLIC_URL = url
    assert check_environment(None) == []

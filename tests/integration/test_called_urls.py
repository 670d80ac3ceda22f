"""A URL that may not be called cannot be saved, as far as it is written down."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.graph import InvalidGraph
from executions.models import Workflow
from executions.workflows.definitions import save_workflow
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ports_as_by_default(settings: Any) -> None:
    settings.OUTBOUND_PORTS = ["80", "443", "1024-65535"]


def saved(url: Any, workflow: Workflow | None = None) -> Workflow:
    workspace, _ = Workspace.objects.get_or_create(slug="urls", defaults={"name": "URLs"})
    nodes = [node("start", "manual_trigger"), node("call", "http_request", url=url)]
    definition = {"name": "Calls", "nodes": nodes, "edges": [edge("start", "call")]}
    return save_workflow(workspace=workspace, definition=definition, by=None, workflow=workflow)


REFUSED = [
    "http://127.0.0.1/", "http://2130706433/x", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data/",
    "http://localhost/", "http://①②⑦.⓪.⓪.①/", "http://8.8.8.8:25/", "ftp://8.8.8.8/", "http://me@8.8.8.8/", "8.8.8.8",
    "http://10.0.0.1/{{ $json.path }}", "http://0x7f.1?q={{ $json.q }}",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_may_not_be_called_is_not_saved(url: str) -> None:
    workflow = saved("https://8.8.8.8/")
    for old in (None, workflow):
        with pytest.raises(InvalidGraph) as raised:
            saved(url, old)
        assert [(p.node, p.field, p.code) for p in raised.value.problems] == [("call", "parameters.url", "refused")]


@pytest.mark.parametrize(
    "url",
    [
        "https://8.8.8.8/x",
        "https://nobody.invalid/",
        "{{ $json.url }}",
        "https://{{ $json.host }}/",
        "http://8.8.8.8:{{ 1 }}/",
    ],
)
def test_what_is_not_known_yet_is_left_to_the_call(url: str) -> None:
    assert saved(url).pk

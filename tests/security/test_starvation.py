"""One workspace computes in every way that it can; what another does is not held up, and no lease is lost.

`make bench` measures how much longer a stranger's workflow takes (`starvation`); here the outcome is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Platform
from tests.executing import query
from tests.starving import SHORT, Tenant, attacks
from workflow_platform.installation.embedded import wait_until

ATTACKING = 8
RECOVERED = "SELECT count(*) FROM events_event WHERE type = 'execution.recovered'"
BUSY = {"queued", "running"}


@pytest.fixture(scope="module")
def attacker(platform: Platform) -> Tenant:
    return Tenant(platform.shell, platform.url)


@pytest.fixture(scope="module")
def stranger(platform: Platform) -> Tenant:
    return Tenant(platform.shell, platform.url)


def start(tenant: Tenant, workflow: str) -> str:
    answer = tenant.request("POST", f"/api/workflows/{workflow}/execute/", json={})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def status(tenant: Tenant, execution: str) -> str:
    return str(tenant.request("GET", f"/api/executions/{execution}/").json()["status"])


@pytest.fixture
def attack(attacker: Tenant, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Start eight executions of an attack. They are cancelled in the end."""
    saved = attacker.request("POST", "/api/workflows/", json=attacks()[request.param])
    assert saved.status_code == 201, saved.text
    executions = [start(attacker, saved.json()["id"]) for _ in range(ATTACKING)]
    yield executions
    for execution in executions:
        attacker.request("POST", f"/api/executions/{execution}/cancel/", json={})
    wait_until(lambda: not any(status(attacker, each) in BUSY for each in executions), "The end of the attack")


@pytest.mark.parametrize("attack", ["code", "expression", "sort", "outputs", "html_extract", "merge"], indirect=True)
def test_a_strangers_workflow_completes_beside_an_attack_and_no_lease_is_lost(
    platform: Platform, stranger: Tenant, attack: list[str]
) -> None:
    before = query(platform, RECOVERED)
    workflow = stranger.request("POST", "/api/workflows/", json=SHORT).json()["id"]
    execution = start(stranger, workflow)
    wait_until(lambda: status(stranger, execution) not in {*BUSY, "waiting"}, "The stranger's execution")
    assert status(stranger, execution) == "completed"
    assert query(platform, RECOVERED) == before


@pytest.mark.parametrize("attack", ["code"], indirect=True)
def test_code_that_never_ends_is_overtaken_by_a_strangers(
    attacker: Tenant, stranger: Tenant, attack: list[str]
) -> None:
    workflow = stranger.request("POST", "/api/workflows/", json=SHORT).json()["id"]
    execution = start(stranger, workflow)
    wait_until(lambda: status(stranger, execution) == "completed", "The stranger's execution")
    assert any(status(attacker, each) in BUSY for each in attack)

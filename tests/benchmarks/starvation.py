"""How long a short workflow of one workspace takes while another workspace computes in every way that it can.

Eight executions of the attack begin together, over and over while short executions of a stranger run one after the
other; the baseline is the same without the attack. Leases that were lost are counted: there must be none.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from tests.benchmarks.reporting import Report
from tests.installation import ROOT, Installation, installation
from tests.shell import Shell
from tests.starving import SHORT, Tenant, attacks
from workflow_platform.installation.embedded import wait_until

ATTACKING, SHORTS = 8, 5
WORKERS = {"PERF_MIN_WORKERS": "2", "PERF_MAX_WORKERS": "2"}


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    only = os.environ.get("STARVATION_ONLY", "").split()
    with (
        installation(folder / "starvation", **WORKERS) as platform,
        Shell(platform.environment, ROOT) as shell,
    ):
        attacker, stranger = Tenant(shell, platform.url), Tenant(shell, platform.url)
        short = stranger.request("POST", "/api/workflows/", json=SHORT).json()["id"]
        short_executions(stranger, short, 3)
        alone = short_executions(stranger, short, SHORTS)
        for name, definition in attacks().items():
            if only and name not in only:
                continue
            saved = attacker.request("POST", "/api/workflows/", json=definition)
            assert saved.status_code == 201, saved.text
            workflow = saved.json()["id"]
            before = lost(platform)
            began = [begin(attacker, workflow) for _ in range(ATTACKING)]
            wait_until(lambda began=began: any(is_running(attacker, each) for each in began), "The attack", 120)
            beside = short_executions(stranger, short, SHORTS)
            left = sum(is_running(attacker, each) for each in began)
            failed = [error for each in began if (error := error_of(attacker, each))]
            for each in began:
                attacker.request("POST", f"/api/executions/{each}/cancel/", json={})
            wait_until(lambda began=began: not any(is_running(attacker, each) for each in began), "Their end", 300)
            report(
                f"starvation.{name}", "s", max(beside), max(alone),
                median=round(statistics.median(beside), 3), attacking=ATTACKING, still_running=left,
                failed=len(failed), first_error=failed[0] if failed else None,
                leases_lost=lost(platform) - before,
            )  # fmt: skip


def begin(tenant: Tenant, workflow: str) -> str:
    """Start an execution. Returns its id."""
    return str(tenant.request("POST", f"/api/workflows/{workflow}/execute/", json={}).json()["id"])


def is_running(tenant: Tenant, execution: str) -> bool:
    """Return whether it has not ended."""
    return tenant.request("GET", f"/api/executions/{execution}/").json()["status"] in {"queued", "running"}


def error_of(tenant: Tenant, execution: str) -> str | None:
    """Return why it failed, if it did: an attack that ends at a limit is no fault."""
    error = tenant.request("GET", f"/api/executions/{execution}/").json()["error"]
    return str(error["message"])[:200] if error else None


def lost(platform: Installation) -> int:
    """Return how many executions were recovered from a lost lease so far."""
    return int(platform.query("SELECT count(*) FROM events_event WHERE type = 'execution.recovered'")[0][0])


def short_executions(tenant: Tenant, workflow: str, count: int) -> list[float]:
    """Run short executions one after the other. Returns the seconds that each took."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        answer = tenant.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 60}).json()
        while answer["status"] not in {"completed", "failed"}:
            time.sleep(0.1)
            answer = tenant.request("GET", f"/api/executions/{answer['id']}/").json()
        taken.append(time.perf_counter() - began)
        assert answer["status"] == "completed", answer
    return taken

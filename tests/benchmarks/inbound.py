"""Requests to /hooks/ that are accepted per second, as `make up` starts the platform: verified, stored, logged.

`open` asks nobody who they are; `signed` verifies GitHub's signature of a body of 3 kB and looks for repetitions by the
delivery's id; `refused` has a wrong signature. The executions run meanwhile, on the same cores: `queued` is the same as
`open` with a workflow that starts one a minute, so that accepting is all that happens. The baseline is a Django view in
the same kind of web process, on the same PostgreSQL, that commits one row for each request.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.benchmarks.executions import CLIENTS, WARM_UP_SECONDS, bare, is_ok
from tests.benchmarks.http_client import Load, load
from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation
from tests.workflows import edge, node

SECONDS = 10.0
SECRET = "a secret of the benchmark"
SMALL = b'{"name": "Ada", "n": 7}'
LARGE = json.dumps({"items": [{"id": n, "title": "Something that happened", "open": True} for n in range(50)]}).encode()


def run(folder: Path, report: Report) -> None:
    """Measure and report; the baseline before and after, since the machine is not always the same."""
    with installation(folder / "inbound") as platform:
        baselines = [measure_bare(platform)]
        made, spent = {}, {}
        for name in ("queued", "open", "signed", "refused"):
            before = platform.cpu_seconds()
            made[name] = load_of(platform, name)
            after = platform.cpu_seconds()
            count = len(made[name].latencies) * (1 + WARM_UP_SECONDS / SECONDS)
            spent[name] = {kind: round((after[kind] - before[kind]) / count * 1000, 2) for kind in after}
        baselines.append(measure_bare(platform))
        baseline = sum(each.rate for each in baselines) / 2
        p99 = sum(each.quantile(0.99) for each in baselines) / 2
        for name, done in made.items():
            context = {"clients": CLIENTS, "requests": len(done.latencies)}
            report(f"inbound.{name}.rate", "1/s", done.rate, baseline, **context)
            report(f"inbound.{name}.p99", "ms", done.quantile(0.99), p99, **context)
            report(f"inbound.{name}.cpu", "ms/request", sum(spent[name].values()), by_process=spent[name])
        check_all_stored(platform, made)


def measure_bare(platform: Installation) -> Load:
    with bare(platform) as url:
        load(url, "/keep/", clients=CLIENTS, seconds=WARM_UP_SECONDS, check=is_ok)
        return load(url, "/keep/", clients=CLIENTS, seconds=SECONDS / 2, check=is_ok, body=SMALL)


def load_of(platform: Installation, name: str) -> Load:
    """Post to a workflow of its own."""
    signed = name in {"signed", "refused"}
    body = LARGE if signed else SMALL
    secret = SECRET if name == "signed" else "another secret"
    signature = "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()

    def headers() -> Sequence[str]:
        return (f"X-Hub-Signature-256: {signature}", f"X-GitHub-Delivery: {uuid4()}") if signed else ()

    def is_right(status: int, content: bytes) -> bool:
        return status == (401 if name == "refused" else 202)

    path = install(platform, name, signed)
    for seconds in (WARM_UP_SECONDS, SECONDS):
        done = load(platform.url, path, clients=CLIENTS, seconds=seconds, check=is_right, body=body, headers=headers)
    return done


def install(platform: Installation, name: str, signed: bool) -> str:
    """Save and activate a workflow. Returns its path."""
    auth: dict[str, Any] | None = None
    if signed:
        credential = {"name": f"bench {name}", "type": "webhook_secret", "data": {"secret": SECRET}}
        assert platform.request("POST", "/api/credentials/", json=credential).status_code == 201
        auth = {"type": "github", "credential": f"bench {name}"}
    trigger = node("hook", "webhook_trigger", path=f"inbound-{name}", auth=auth)
    settings = {"rate_limit": {"count": 1, "seconds": 60}} if name == "queued" else {}
    definition = {"nodes": [trigger, node("set", "set", fields={"seen": True})], "edges": [edge("hook", "set")]}
    platform.create_workflow(definition | {"name": f"Inbound {name}", "active": True, "settings": settings})
    return f"/hooks/inbound-{name}"


def check_all_stored(platform: Installation, made: dict[str, Load]) -> None:
    """Fail if there is an accepted request without its execution or its row."""
    ((without,),) = platform.query(
        "SELECT count(*) FROM webhooks_inboundrequest r LEFT JOIN executions_execution e ON e.id = r.execution_id"
        " WHERE r.accepted AND e.id IS NULL"
    )
    assert without == 0, without
    for name, done in made.items():
        ((kept,),) = platform.query("SELECT count(*) FROM webhooks_inboundrequest WHERE path = %s", f"inbound-{name}")
        assert name == "refused" or kept >= len(done.latencies), (name, kept, len(done.latencies))

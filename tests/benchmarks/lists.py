"""Every list with a million rows behind it: pages, API and admin, the first page and a deep one, filters and orders.

LISTS_ROWS (1,000,000) executions of 30 workflows over 30 days with two node runs, two attributes and a search document
each, and as many events and deliveries. Then the tables of all models of the admin are filled to as many rows
(LISTS_ADMIN=0 leaves the admin out). The figures are times in the server, beside a bare query of 50 executions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.reporting import Report

ROUNDS, ADMIN_ROUNDS = 10, 3
MOST_SECONDS = 4.0
"""For one list: a slow one is measured less often."""
WORKFLOWS = 30
OWN: dict[str, dict[str, str]] = {
    "schedule": {"cron": "'* * * * *'", "interval_seconds": "NULL"},
    "retentionpolicy": {"days": "30"},
    "violation": {"kind": "'missing'"},
    "replay": {"speed": "1"},
    "invitation": {"email": "''"},
}
"""What constraints demand of the rows of the admin's models."""


def run(folder: Path, report: Report) -> None:
    """Fill, measure and report."""
    for words in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
        subprocess.run([sys.executable, "manage.py", *words], check=True)
    import django

    django.setup()
    from django.db import connection
    from django.test import Client

    from workflow_platform.core.accounts.models import User

    rows = int(os.environ.get("LISTS_ROWS", "1000000"))
    staff = User.objects.create_superuser("root", password="a long enough password")
    context = _fill(rows, staff)
    client = Client(SERVER_NAME="localhost")
    client.force_login(staff)
    bare = _times(lambda: _bare(), ROUNDS)
    for name, address in _addresses(client, context):
        taken = _times(lambda address=address: _get(client, address), ROUNDS)  # type: ignore[misc]
        report(f"lists.{name}", "ms", median(taken), median(bare), p95=_p95(taken), rows=rows)
    if os.environ.get("LISTS_ADMIN", "1") == "1":
        _measure_admin(client, rows, report)
    connection.close()


def _times(work: Any, rounds: int) -> list[float]:
    """Return the milliseconds of each call, the first left out."""
    taken: list[float] = []
    until = time.monotonic() + MOST_SECONDS
    for number in range(rounds + 1):
        began = time.perf_counter()
        work()
        if number or time.monotonic() > until:
            taken.append((time.perf_counter() - began) * 1000)
        if time.monotonic() > until:
            break
    return taken


def _p95(taken: list[float]) -> float:
    return round(sorted(taken)[ceil(len(taken) * 0.95) - 1], 1)


def _get(client: Any, address: str) -> Any:
    answer = client.get(address)
    if answer.status_code != 200:
        raise AssertionError(f"{address} answered {answer.status_code}: {answer.content[:300]!r}")
    return answer


def _bare() -> None:
    from executions.models import Execution

    list(Execution.objects.order_by("-id").values("id", "status", "queued_at", "ended_at")[:50])


def _fill(rows: int, staff: Any) -> dict[str, Any]:
    """Make workflows, and the executions and what belongs to them."""
    from django.db import connection

    from events.log import partitions
    from events.log.models import Event, Stream
    from executions.models import Execution, ExecutionAttribute, NodeRun, SearchDocument
    from executions.workflows.definitions import save_workflow
    from tests.benchmarks.list_rows import RowMaker
    from webhooks.models import Delivery, Lane
    from workflow_platform.core.accounts.models import Membership, Role, Workspace

    maker = RowMaker(rows)
    workspace = Workspace.objects.create(name="Bench", slug="bench")
    Membership.objects.get_or_create(user=staff, workspace=workspace, defaults={"role": Role.ADMIN})
    graph = {"nodes": [{"id": "start", "type": "manual_trigger"}], "edges": []}
    saved = [
        save_workflow(workspace=workspace, definition={"name": f"Workflow {n}"} | graph, by=staff)
        for n in range(WORKFLOWS)
    ]
    workflows = "(ARRAY[" + ",".join(f"'{one.pk}'::uuid" for one in saved) + f"])[n % {WORKFLOWS} + 1]"
    versions = "(ARRAY[" + ",".join(f"{one.latest_version_id}" for one in saved) + f"])[n % {WORKFLOWS} + 1]"
    if not str(saved[0].latest_version_id).isdigit():
        versions = "(ARRAY[" + ",".join(f"'{one.latest_version_id}'::uuid" for one in saved)
        versions += f"])[n % {WORKFLOWS} + 1]"
    own, at = f"'{workspace.pk}'::uuid", maker.at()
    failed = "n % 20 = 0"
    maker.fill(
        Stream, name=f"'execution:' || {maker.uuid()}", workspace_id=own, ended_as="'execution.completed'",
        mode="'live'", last_sequence="1", removed_through="0", removed_at="NULL",
    )  # fmt: skip
    maker.fill(
        Execution,
        workspace_id=own,
        workflow_id=workflows,
        version_id=versions,
        stream_id="n + 1000",
        status=f"CASE WHEN {failed} THEN 'failed' WHEN n % 97 = 0 THEN 'cancelled' ELSE 'completed' END",
        trigger="(ARRAY['manual', 'api', 'webhook', 'schedule'])[n % 4 + 1]",
        mode="CASE WHEN n % 500 = 0 THEN 'test' ELSE 'live' END",
        input="json_build_array(json_build_object('order', n))",
        attributes="jsonb_build_object('customer', (n % 5000)::text, 'plan', 'gold')",
        cause=f"CASE WHEN {failed} THEN lpad(to_hex(n % 200), 16, '0') ELSE '' END",
        failed_node=f"CASE WHEN {failed} THEN 'send' ELSE '' END",
        error=f"CASE WHEN {failed} THEN json_build_object('type', 'E', 'message', 'No answer ' || n, 'node', 'send')"
        " END",
        started_at=at,
        ended_at=f"{at} + (n % 600) * interval '100 ms'",
        follow_up_due="false",
        concurrency_key="''",
        rerun_from="''",
        worker="''",
    )
    execution = maker.uuid("((n + 1) / 2)")
    maker.fill(
        NodeRun, 2 * rows, id="gen_random_uuid()", execution_id=execution, run_index="0", status="'completed'",
        node_id="CASE WHEN n % 2 = 0 THEN 'start' ELSE 'send' END", digest="''", request_digest="''",
    )  # fmt: skip
    for first, (key, value) in enumerate((("customer", "(n % 5000)::text"), ("plan", "'gold'"))):
        maker.fill(
            ExecutionAttribute, id=f"n * 2 + {first}", execution_id=maker.uuid(), workspace_id=own,
            key=f"'{key}'", value=value,
        )  # fmt: skip
    words = "(SELECT string_agg(substr(md5(n::text || i), 1, 4), ' ') FROM generate_series(1, 20) i)"
    marks = f"'''w/{workspace.pk.hex}'' ''r/' || replace({workflows}::text, '-', '') || '/start'''"
    broken = f"CASE WHEN {failed} THEN ' ''f/' || replace({workflows}::text, '-', '') || '/send''' ELSE '' END"
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX execution_by_words")
    maker.fill(
        SearchDocument, execution_id=maker.uuid(),
        document=f"to_tsvector('simple', 'order o' || n || ' customer' || n % 5000 || ' ' || {words})"
        f" || ({marks} || {broken})::tsvector",
    )  # fmt: skip
    today = datetime.now(UTC).date()
    partitions.make([today - timedelta(days=ago) for ago in range(-1, 32)])
    maker.fill(
        Event, stream_id="n + 1000", sequence="1", feed_sequence="n", workflow_sequence="NULL", source="'bench'",
        type="'execution.completed'", time=at, execution_id=maker.uuid(), workflow_id=workflows, workspace_id=own,
        transaction=f"n * 900 / {rows}", data="'{}'",
    )  # fmt: skip
    maker.fill(Lane, 1)
    lane = str(Lane.objects.values_list("pk", flat=True).first())
    maker.fill(
        Delivery, workspace_id=own, lane_id=f"'{lane}'",
        status=f"CASE WHEN {failed} THEN 'failed' ELSE 'delivered' END", ended_at=at,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute("CREATE INDEX execution_by_words ON executions_searchdocument USING gin (document)")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(f"SELECT {maker.uuid(str(rows // 2))}::text, {maker.uuid(str(rows - 20))}::text")
        deep, failed_one = cursor.fetchone()
    return {"workflow": saved[0].pk, "workspace": workspace.pk, "deep": deep, "failed": failed_one, "rows": rows}


def _addresses(client: Any, context: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a name and an address for each list, filter and order."""
    workflow, half = context["workflow"], datetime.now(UTC) - timedelta(days=15)
    filters = {
        "all": "",
        "workflow": f"workflow={workflow}",
        "status": "status=failed",
        "statuses": "status=failed&status=cancelled",
        "rare_status": "status=timed_out",
        "trigger": "trigger=webhook",
        "cause": "cause=0000000000000014",
        "mode": "mode=test",
        "attribute": "attribute=customer:42",
        "common_attribute": "attribute=plan:gold",
        "no_attribute": "attribute=plan:none",
        "attribute_and_status": "attribute=plan:gold&status=failed",
        "rare_word": f"text=o{context['rows'] // 3}",
        "common_word": "text=order",
        "customer_word": "text=customer42",
        "prefix": "text=custo",
        "no_word": "text=nosuchword",
        "two_words": "text=order customer42",
        "node_ran": f"workflow={workflow}&node_ran=start",
        "node_failed": f"workflow={workflow}&node_failed=send",
        "node_never": f"workflow={workflow}&node_ran=never",
        "search": "q=Workflow 7",
        "search_error": "q=answer",
        "search_nothing": "q=no such thing",
        "long": "min_duration=55",
        "longest": "sort=-duration",
        "oldest": "sort=queued",
        "ended": "sort=-ended",
        "until": f"until={half:%Y-%m-%dT%H:%M:%SZ}",
    }
    for name, query in filters.items():
        page = query.replace("until=", "range=between&until=").replace(":%S", "").replace("Z", "")
        yield f"page.{name}", f"/?{page}"
        yield f"api.{name}", f"/api/executions/?{query}"
    yield "page.deep", f"/?before={context['deep']}"
    yield "page.deep_failed", f"/?status=failed&before={context['deep']}"
    yield "page.count", "/executions/count/"
    yield "page.count_text", "/executions/count/?text=order"
    yield "page.failures", "/executions/failures/"
    yield "api.failures", "/api/executions/failures/"
    yield "page.workflows", "/workflows/"
    yield "page.one_workflow", f"/workflows/{workflow}/"
    yield "page.events", "/events/"
    yield "page.deliveries", "/webhooks/deliveries/"
    yield "page.deliveries_failed", "/webhooks/deliveries/?status=failed"
    yield "page.endpoints", "/webhooks/"
    yield "api.deliveries", "/api/webhooks/deliveries/"
    yield "api.deliveries_failed", "/api/webhooks/deliveries/?status=failed"
    yield "api.events", "/api/events/"
    yield "api.workflows", "/api/workflows/"
    yield "api.similar", f"/api/executions/{context['failed']}/nodes/send/similar-failures/"


def _measure_admin(client: Any, rows: int, report: Report) -> None:
    """Fill the tables of the admin's models, and open each list plain, searched and filtered."""
    from django.contrib import admin
    from django.db import connection

    from tests.benchmarks.list_rows import RowMaker

    models = [
        model
        for model in admin.site._registry
        if model._meta.managed and model._meta.app_label != "django_rq" and model._meta.model_name != "cleanupstate"
    ]
    maker = RowMaker(rows)
    for model in models:
        if model._default_manager.count() < rows:
            maker.fill(model, **OWN.get(str(model._meta.model_name), {}))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    for model in models:
        taken = {
            kind: median(_times(lambda address=address: _get(client, address), ADMIN_ROUNDS))  # type: ignore[misc]
            for kind, address in _admin_addresses(model)
        }
        slowest = max(taken, key=lambda kind: taken[kind])
        further = {"slowest": slowest, "slowest_ms": round(taken[slowest], 1), "rows": rows}
        report(f"lists.admin.{model._meta.label_lower}", "ms", taken["plain"], **further)


def _admin_addresses(model: Any) -> Iterator[tuple[str, str]]:
    from django.contrib import admin
    from django.db.models import DateField
    from django.urls import reverse

    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    yield "plain", path
    yield "text", f"{path}?q=no+such+thing"
    yield "id", f"{path}?q=0190e4a2-7c1f-7000-8000-000000000000"
    for chosen in admin.site._registry[model].list_filter:
        if isinstance(chosen, str) and isinstance(model._meta.get_field(chosen), DateField):
            yield chosen, f"{path}?{chosen}__gte={datetime.now(UTC).date() - timedelta(days=7)}"
        elif isinstance(chosen, str):
            for value in [value for value, _ in model._meta.get_field(chosen).flatchoices] or [1]:
                yield f"{chosen}={value}", f"{path}?{chosen}__exact={value}"
        elif isinstance(chosen, tuple):
            yield f"{chosen[0]} empty", f"{path}?{chosen[0]}__isempty=0"
        else:
            yield str(chosen.parameter_name), f"{path}?{chosen.parameter_name}=week"

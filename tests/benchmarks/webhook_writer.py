"""A process that makes endpoints, deliveries and events: `python -m tests.benchmarks.webhook_writer`.

It answers each line, a JSON list of a function's name and its arguments, with what that returns.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import django

django.setup()

from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from events import log  # noqa: E402
from events.log import NewEvent  # noqa: E402
from tests.sending import make_endpoint  # noqa: E402
from webhooks import dispatcher  # noqa: E402
from webhooks.models import Endpoint  # noqa: E402
from workflow_platform.core.accounts.models import Workspace  # noqa: E402

PAYLOAD = {"level": "info", "message": "x" * 200, "node": "node", "run_index": 0}
_streams: dict[str, int] = {}


def endpoints(url: str, count: int, **fields: Any) -> list[str]:
    """Make endpoints that are paused and hear of nothing."""
    made = [make_endpoint(url, event_types=[], paused_at=timezone.now(), **fields) for _ in range(count)]
    return [str(each.pk) for each in made]


def queue(ids: list[str], count: int) -> None:
    """Queue so many deliveries, the endpoints taking turns."""
    body = json.dumps(
        {"specversion": "1.0", "id": str(uuid4()), "type": "execution.log", "source": "x", "data": PAYLOAD}
    )
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(status="pending", ended="NULL", attempts=0), [ids, body, count])
        cursor.execute("ANALYZE webhooks_delivery")


def go(ids: list[str]) -> float:
    """Un-pause the endpoints. Returns when that was committed."""
    Endpoint.objects.filter(pk__in=ids).update(paused_at=None)
    began = time.time()
    dispatcher.wake()
    return began


def fill(ids: list[str], count: int, attempts: int) -> None:
    """Store so many deliveries that have arrived, and attempts."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(status="delivered", ended="clock_timestamp()", attempts=1), [ids, "{}", count])
        cursor.execute(_ATTEMPTS, [ids, attempts])
        cursor.execute("VACUUM ANALYZE webhooks_delivery")
        cursor.execute("ANALYZE webhooks_deliveryattempt")


def append(ids: list[str], count: int, pause: float, per_append: int = 1) -> list[float]:
    """Append events that these endpoints, and no others, hear of. Returns when each append was committed."""
    Endpoint.objects.filter(pk__in=ids).update(event_types=["execution.log"], paused_at=None)
    stream, committed = _stream(), []
    for _ in range(count):
        time.sleep(pause)
        new = [NewEvent(stream, "execution.log", PAYLOAD, "bench", UUID(int=1)) for _ in range(per_append)]
        with transaction.atomic():
            log.append(new)
        committed.append(time.time())
    Endpoint.objects.filter(pk__in=ids).update(event_types=[])
    return committed


def append_surely(ids: list[str], count: int) -> None:
    """Append so many events that these endpoints hear of, however often the database goes away meanwhile."""
    left = count
    while left:
        try:
            Endpoint.objects.filter(pk__in=ids).update(event_types=["execution.log"], paused_at=None)
            with transaction.atomic():
                log.append([NewEvent(_stream(), "execution.log", PAYLOAD, "bench", UUID(int=1))])
            left -= 1
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.2)


def _stream() -> int:
    if "stream" not in _streams:
        workspace = Workspace.objects.get(slug="tests")
        _streams["stream"] = log.open_stream(f"execution:{uuid4()}", workspace.pk).pk
    return _streams["stream"]


def ids_of(ids: list[str]) -> list[list[str]]:
    """Return message id and endpoint of the deliveries of these endpoints, in the order in which they were made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 'msg_' || replace(id::text, '-', ''), endpoint_id::text FROM webhooks_delivery"
            " WHERE endpoint_id = ANY(%s::uuid[]) ORDER BY id",
            [ids],
        )
        return [list(row) for row in cursor.fetchall()]


def counts(ids: list[str]) -> dict[str, int]:
    """Return how many deliveries of these endpoints have which status, and how many attempts had which outcome."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, count(*) FROM webhooks_delivery WHERE endpoint_id = ANY(%s::uuid[]) GROUP BY status", [ids]
        )
        found = dict(cursor.fetchall())
        cursor.execute(
            "SELECT CASE WHEN error_class = '' THEN outcome ELSE error_class END AS what, count(*)"
            " FROM webhooks_deliveryattempt WHERE endpoint_id = ANY(%s::uuid[]) GROUP BY what",
            [ids],
        )
        return found | {f"attempts, {what}": count for what, count in cursor.fetchall()}


# Ids as uuid7 has them: a millisecond, then chance.
_FILL = """
INSERT INTO webhooks_delivery (id, workspace_id, lane_id, endpoint_id, origin, status, rank, due_at, ordering_key,
  event_type, stream, node_id, method, url, content_type, body, prepared, idempotency_key, awaited, attempts_made,
  attempts_before, lease_token, cancel_requested, error, created_at, ended_at)
SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
  e.workspace_id, e.id, e.id, 'event', '{status}', 1, clock_timestamp(), '', 'execution.log', '', '', 'POST', '',
  'application/cloudevents+json; charset=utf-8', x.body, false, '', false, {attempts}, 0, 0, false, '',
  clock_timestamp(), {ended}
FROM (SELECT %s::uuid[] AS ids, %s::text AS body) x, generate_series(1, %s) n
JOIN webhooks_endpoint e ON true
WHERE e.id = x.ids[n %% cardinality(x.ids) + 1]
"""
_ATTEMPTS = """
INSERT INTO webhooks_deliveryattempt (id, workspace_id, delivery_id, endpoint_id, number, outcome, started_at, url,
  request_headers, status_code, response_headers, response_body, response_truncated, error_class, error, total_ms)
SELECT gen_random_uuid(), workspace_id, id, endpoint_id, 1, 'delivered', created_at, 'http://127.0.0.2/',
  '{"webhook-id": "x"}', 200, '{}', 'ok', false, '', '', 5
FROM webhooks_delivery WHERE status = 'delivered' AND endpoint_id = ANY(%s::uuid[]) LIMIT %s
"""


def surely(call: Callable[..., Any], arguments: list[Any], further: dict[str, Any]) -> Any:
    """Call, again and again while the database is away."""
    while True:
        try:
            return call(*arguments, **further)
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.2)


def main() -> None:
    """Answer lines."""
    known: dict[str, Callable[..., Any]] = {
        each.__name__: each for each in (endpoints, queue, go, fill, append, append_surely, ids_of, counts)
    }
    for line in sys.stdin:
        name, arguments, further = json.loads(line)
        print(json.dumps(surely(known[name], arguments, further)), flush=True)
        connection.close()


if __name__ == "__main__":
    main()

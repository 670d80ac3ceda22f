"""The log of requests to /hooks/: one row per request, written in the same transaction as its execution.

Rejected requests are sampled per path and address, so that a flood of them does not fill the database. A summary row
says how many were left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from webhooks.inbound.limits import Buckets
from workflow_platform.core.content.charsets import without_nul
from workflow_platform.core.outbound.addresses import IPAddress
from workflow_platform.core.requests.client_address import counted_as
from workflow_platform.core.secrets.secret_names import MASK, is_secret, masked_text

MAX_BODY = 16 * 1024
"""Characters of a body that are logged."""
MAX_HEADERS, MAX_VALUE, MAX_QUERY = 100, 500, 100
SHOWN_OF_SIGNATURE = 14
_SIGNATURE_NAME = re.compile(r"signature|hmac|digest", re.IGNORECASE)

REFUSALS_PER_SECOND, REFUSALS_BURST = 0.5, 20
"""Rejected requests of one path and address that are logged."""
ALL_REFUSALS_PER_SECOND, ALL_REFUSALS_BURST = 10, 200
"""Rejected requests that one process logs in total."""
MOST_KEYS = 500
SUMMARY_AFTER_SECONDS = 10.0
"""A summary row follows this long after the first request that was left out."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request and its result: a row of InboundRequest."""

    id: UUID
    received_at: datetime
    method: str
    path: str
    address: IPAddress | None
    headers: dict[str, str]
    query: dict[str, Any]
    body: str
    body_bytes: int
    content_type: str
    accepted: bool
    status_code: int
    reason: str = ""
    workspace_id: UUID | None = None
    workflow_id: UUID | None = None
    node_id: str = ""
    execution_id: UUID | None = None
    message_id: str = ""
    test: bool = False


_COLUMNS = (
    "id", "workspace_id", "workflow_id", "node_id", "execution_id", "received_at", "method", "path", "address",
    "headers", "query", "body", "body_bytes", "content_type", "message_id", "test", "accepted", "status_code", "reason",
)  # fmt: skip
_COPY = f"COPY webhooks_inboundrequest ({', '.join(_COLUMNS)}) FROM STDIN"
_ANSWERED = """
UPDATE webhooks_inboundrequest r SET status_code = answered.status
FROM unnest(%s::uuid[], %s::int[]) AS answered (id, status)
WHERE r.id = answered.id AND r.status_code <> answered.status
"""


def write(rows: Sequence[LoggedRequest]) -> None:
    """Write rows in the caller's transaction."""
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(
                (
                    row.id, row.workspace_id, row.workflow_id, row.node_id, row.execution_id, row.received_at,
                    row.method[:20], row.path[:300], None if row.address is None else str(row.address),
                    orjson.dumps(row.headers).decode(), orjson.dumps(row.query).decode(), row.body, row.body_bytes,
                    row.content_type[:200], row.message_id[:200], row.test, row.accepted, row.status_code,
                    row.reason[:500],
                )
            )  # fmt: skip


def update_status_codes(answers: Mapping[UUID, int]) -> None:
    """Update the status codes of requests, in the caller's transaction."""
    if answers:
        with connection.cursor() as cursor:
            cursor.execute(_ANSWERED, [list(answers), list(answers.values())])


def masked_headers(headers: Mapping[str, str], authenticating: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers for the log. Secrets are masked: by their names, and those in `authenticating`. Of signatures
    the first characters stay, to tell them apart."""
    shown = {}
    hidden = set(authenticating)
    for name, value in list(headers.items())[:MAX_HEADERS]:
        if _SIGNATURE_NAME.search(name):
            value = f"{value[:SHOWN_OF_SIGNATURE]}…" if len(value) > SHOWN_OF_SIGNATURE else MASK
        elif name in hidden or is_secret(name):
            value = MASK
        shown[without_nul(name[:200])] = without_nul(value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]}…")
    return shown


def masked_query(query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return a query for the log: secrets masked by their names, long values cut."""
    shown: dict[str, Any] = {}
    for name, values in list(query.items())[:MAX_QUERY]:
        hidden = is_secret(name) or _SIGNATURE_NAME.search(name)
        cut = [MASK if hidden else value[:MAX_VALUE] for value in values[:20]]
        shown[name[:200]] = cut if len(cut) > 1 else cut[0] if cut else ""
    return shown


def beginning(body: bytes) -> str:
    """Return the beginning of a body as text, with secrets masked by their names."""
    text = without_nul(body[: 4 * MAX_BODY].decode(errors="replace"))
    return masked_text(text[:MAX_BODY])[:MAX_BODY]


def _key(row: LoggedRequest) -> tuple[str, str]:
    # Unknown paths are unlimited in number, so they share one key per address.
    return (row.path if row.workflow_id else "", counted_as(row.address))


@dataclass(slots=True)
class _Unlogged:
    since: float
    count: int
    latest: LoggedRequest


class RefusalSampler:
    """Samples rejected requests for the log, and counts the others."""

    def __init__(self) -> None:
        self._buckets = Buckets()
        self._unlogged: dict[tuple[str, str], _Unlogged] = {}

    def choose(self, rows: Sequence[LoggedRequest], now: float) -> list[LoggedRequest]:
        """Return the rows to log."""
        return [row for row in rows if self._is_logged(row, now)]

    def _is_logged(self, row: LoggedRequest, now: float) -> bool:
        wait = self._buckets.take(_key(row), now, REFUSALS_PER_SECOND, REFUSALS_BURST)
        wait = wait or self._buckets.take("all", now, ALL_REFUSALS_PER_SECOND, ALL_REFUSALS_BURST)
        if not wait:
            return True
        self.leave_out(row, now)
        return False

    def leave_out(self, row: LoggedRequest, now: float, count: int = 1) -> None:
        """Count rows that are not logged individually."""
        key = _key(row)
        if key not in self._unlogged and len(self._unlogged) >= MOST_KEYS:
            key = ("", "")
        group = self._unlogged.setdefault(key, _Unlogged(now, 0, row))
        group.count += count
        group.latest = row

    @property
    def waiting(self) -> bool:
        """Whether there are unlogged requests without a summary row."""
        return bool(self._unlogged)

    def summaries(self, now: float) -> list[LoggedRequest]:
        """Return the summary rows that are due, and start counting again."""
        due = [key for key, group in self._unlogged.items() if now - group.since >= SUMMARY_AFTER_SECONDS]
        rows = []
        for key in due:
            group = self._unlogged.pop(key)
            if group.count == 1:
                rows.append(group.latest)
                continue
            if key == ("", ""):
                source = "from many addresses"
            else:
                source = f"from {key[1] or 'this caller'}" + ("" if key[0] else " to unknown paths")
            summary = f"{group.count} rejected requests {source} are not listed individually."
            rows.append(replace(group.latest, reason=f"{summary} The last one: {group.latest.reason}"))
        return rows

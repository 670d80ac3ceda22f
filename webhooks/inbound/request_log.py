"""What is kept of requests to /hooks/: one row each, written with what follows from them, in the same transaction.

Whoever floods us with requests that are refused does not fill the database: of each path and address only some are
kept, and a row says how many were left out.
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

from webhooks.inbound.bodies import without_nul
from webhooks.inbound.limits import Buckets
from workflow_platform.core.outbound.addresses import IPAddress
from workflow_platform.core.requests.client_address import counted_as
from workflow_platform.core.secrets.secret_names import MASK, is_secret, masked_text

MAX_BODY = 16 * 1024
"""Characters of a body that are kept."""
MAX_HEADERS, MAX_VALUE, MAX_QUERY = 100, 500, 100
SHOWN_OF_SIGNATURE = 14
_SIGNATURE_NAME = re.compile(r"signature|hmac|digest", re.IGNORECASE)

REFUSALS_PER_SECOND, REFUSALS_BURST = 0.5, 20
"""Refused requests of one path and address that are kept."""
ALL_REFUSALS_PER_SECOND, ALL_REFUSALS_BURST = 10, 200
"""Refused requests that one process keeps in all."""
MOST_KEYS = 500
TELL_AFTER_SECONDS = 10.0
"""So long after the first one that was left out, a row says how many they were."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A request and what became of it, as a row of InboundRequest has it."""

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


def write(rows: Iterable[Kept]) -> None:
    """Write the rows, inside the caller's transaction."""
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


def note_answers(answers: Mapping[UUID, int]) -> None:
    """Write what callers were answered in the end, inside the caller's transaction."""
    if answers:
        with connection.cursor() as cursor:
            cursor.execute(_ANSWERED, [list(answers), list(answers.values())])


def masked_headers(headers: Mapping[str, str], proving: Iterable[str] = ()) -> dict[str, str]:
    """Return headers as they are kept: without secrets (by their names, and those of `proving`), of signatures the
    beginning, which tells them apart and forges nothing."""
    shown = {}
    hidden = set(proving)
    for name, value in list(headers.items())[:MAX_HEADERS]:
        if _SIGNATURE_NAME.search(name):
            value = f"{value[:SHOWN_OF_SIGNATURE]}…" if len(value) > SHOWN_OF_SIGNATURE else MASK
        elif name in hidden or is_secret(name):
            value = MASK
        shown[without_nul(name[:200])] = without_nul(value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]}…")
    return shown


def masked_query(query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return a query as it is kept: secrets by their names masked, long values cut."""
    shown: dict[str, Any] = {}
    for name, values in list(query.items())[:MAX_QUERY]:
        hidden = is_secret(name) or _SIGNATURE_NAME.search(name)
        cut = [MASK if hidden else value[:MAX_VALUE] for value in values[:20]]
        shown[name[:200]] = cut if len(cut) > 1 else cut[0] if cut else ""
    return shown


def beginning(body: bytes) -> str:
    """Return the beginning of a body as text, what has the name of a secret in it masked."""
    text = without_nul(body[: 4 * MAX_BODY].decode(errors="replace"))
    return masked_text(text[:MAX_BODY])[:MAX_BODY]


def _key(row: Kept) -> tuple[str, str]:
    # Of paths where nobody listens there are as many as somebody makes up.
    return (row.path if row.workflow_id else "", counted_as(row.address))


@dataclass(slots=True)
class _LeftOut:
    since: float
    count: int
    latest: Kept


class Refusals:
    """Decides which refused requests are kept, and remembers how many were not."""

    def __init__(self) -> None:
        self._buckets = Buckets()
        self._left_out: dict[tuple[str, str], _LeftOut] = {}

    def choose(self, rows: Sequence[Kept], now: float) -> list[Kept]:
        """Return those rows that are kept."""
        return [row for row in rows if self._is_kept(row, now)]

    def _is_kept(self, row: Kept, now: float) -> bool:
        wait = self._buckets.take(_key(row), now, REFUSALS_PER_SECOND, REFUSALS_BURST)
        wait = wait or self._buckets.take("all", now, ALL_REFUSALS_PER_SECOND, ALL_REFUSALS_BURST)
        if not wait:
            return True
        self.leave_out(row, now)
        return False

    def leave_out(self, row: Kept, now: float, count: int = 1) -> None:
        """Count a row, and others like it, that are not kept singly."""
        key = _key(row)
        if key not in self._left_out and len(self._left_out) >= MOST_KEYS:
            key = ("", "")
        found = self._left_out.setdefault(key, _LeftOut(now, 0, row))
        found.count += count
        found.latest = row

    @property
    def waiting(self) -> bool:
        """Whether some were left out of which no row tells yet."""
        return bool(self._left_out)

    def told(self, now: float) -> list[Kept]:
        """Return the rows that tell how many were left out, which are due; the requests count from anew."""
        due = [key for key, found in self._left_out.items() if now - found.since >= TELL_AFTER_SECONDS]
        rows = []
        for key in due:
            found = self._left_out.pop(key)
            if found.count == 1:
                rows.append(found.latest)
                continue
            if key == ("", ""):
                whose = "of many addresses"
            else:
                whose = f"of {key[1] or 'this caller'}" + ("" if key[0] else " to addresses where nothing listens")
            said = f"{found.count} refused requests {whose} are not listed singly."
            rows.append(replace(found.latest, reason=f"{said} The last one: {found.latest.reason}"))
        return rows

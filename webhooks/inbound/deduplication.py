"""Deduplication of inbound messages: a repeated message starts no second execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import connection

MessageKey = tuple[str, str]
"""Trigger and message id. The trigger is in the column `path`."""


def claim(executions: Mapping[MessageKey, UUID]) -> dict[MessageKey, UUID]:
    """Record, in the caller's transaction, which execution each message starts.

    Returns the execution of each message: the given one, or that of an earlier message with the same key. Waits for a
    process that claims the same message at the same time.
    """
    if not executions:
        return {}
    messages = sorted(executions)  # sorted, to avoid deadlocks
    paths, ids = [path for path, _ in messages], [message_id for _, message_id in messages]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_seenmessage (path, message_id, execution_id, seen_at)"
            " SELECT path, message_id, execution_id, clock_timestamp()"
            " FROM unnest(%s::text[], %s::text[], %s::uuid[]) AS w(path, message_id, execution_id)"
            " ON CONFLICT (path, message_id) DO NOTHING RETURNING path, message_id",
            [paths, ids, [executions[message] for message in messages]],
        )
        started = {message: executions[message] for message in cursor.fetchall()}
        if len(started) < len(messages):
            # A separate statement, which sees what was committed while the one above waited.
            cursor.execute(
                "SELECT path, message_id, execution_id FROM webhooks_seenmessage"
                " JOIN unnest(%s::text[], %s::text[]) AS w(path, message_id) USING (path, message_id)",
                [paths, ids],
            )
            started |= {(path, message_id): execution_id for path, message_id, execution_id in cursor.fetchall()}
    return started


def forget(messages: Sequence[MessageKey]) -> None:
    """Remove messages that started no execution, in the transaction that claimed them."""
    if not messages:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM webhooks_seenmessage USING unnest(%s::text[], %s::text[]) AS w(path, message_id)"
            " WHERE webhooks_seenmessage.path = w.path AND webhooks_seenmessage.message_id = w.message_id",
            [[path for path, _ in messages], [message_id for _, message_id in messages]],
        )

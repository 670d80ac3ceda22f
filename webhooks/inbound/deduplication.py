"""Messages that were taken already: the same one again starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import connection

Message = tuple[str, str]
"""Trigger and message id. The trigger stands in the column `path`."""


def claim(wanted: Mapping[Message, UUID]) -> dict[Message, UUID]:
    """Note, inside the caller's transaction, which execution each message is to start.

    Returns for each message which execution it started: its own, or that of the same message before. One that another
    process takes at the same time is waited for.
    """
    if not wanted:
        return {}
    messages = sorted(wanted)  # so that two processes which claim the same ones do not wait for each other
    paths, ids = [path for path, _ in messages], [message_id for _, message_id in messages]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_seenmessage (path, message_id, execution_id, seen_at)"
            " SELECT path, message_id, execution_id, clock_timestamp()"
            " FROM unnest(%s::text[], %s::text[], %s::uuid[]) AS w(path, message_id, execution_id)"
            " ON CONFLICT (path, message_id) DO NOTHING RETURNING path, message_id",
            [paths, ids, [wanted[message] for message in messages]],
        )
        found = {message: wanted[message] for message in cursor.fetchall()}
        if len(found) < len(messages):
            # A statement of its own: it sees what was committed while the one above waited.
            cursor.execute(
                "SELECT path, message_id, execution_id FROM webhooks_seenmessage"
                " JOIN unnest(%s::text[], %s::text[]) AS w(path, message_id) USING (path, message_id)",
                [paths, ids],
            )
            found |= {(path, message_id): execution_id for path, message_id, execution_id in cursor.fetchall()}
    return found


def forget(messages: Sequence[Message]) -> None:
    """Take messages back that have started nothing after all, in the transaction that claimed them."""
    if not messages:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM webhooks_seenmessage USING unnest(%s::text[], %s::text[]) AS w(path, message_id)"
            " WHERE webhooks_seenmessage.path = w.path AND webhooks_seenmessage.message_id = w.message_id",
            [[path for path, _ in messages], [message_id for _, message_id in messages]],
        )

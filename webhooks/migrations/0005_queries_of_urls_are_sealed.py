"""The queries of URLs, in which services hand out tokens, move into what is sealed: of endpoints, ad-hoc deliveries and
replays. The rows keep scheme, host, path and the names of the query."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from django.db import migrations, models

from workflow_platform.core.secrets import encryption

CHUNK = 500
MASK = "•••"
LONGEST = 2000
TABLES = (
    ("webhooks_endpoint", "sealed"),
    ("webhooks_delivery", "sealed"),
    ("events_replay", "secrets"),
)

logger = logging.getLogger(__name__)


def public(url: str) -> str:
    """Return a URL as rows have it from now on."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return "(malformed)"
    query = "&".join(f"{quote(name, safe='[]')}={MASK}" if value else MASK for name, value in pairs)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=netloc, query=query, fragment=""))[:LONGEST]


def sealed_with(url: str, sealed: Any) -> bytes | None:
    """Return what is sealed with the URL in it; None where it is there already. Raises encryption.CannotDecrypt."""
    held = json.loads(encryption.decrypt(bytes(sealed))) if sealed else {}
    if held.get("url"):
        return None
    return encryption.encrypt(json.dumps(held | {"url": url}).encode())


def seal(apps: Any, schema_editor: Any) -> None:
    """Go over all rows whose URL has more than scheme, host and path."""
    with schema_editor.connection.cursor() as cursor:
        for table, column in TABLES:
            _seal_table(cursor, table, column)


def _seal_table(cursor: Any, table: str, column: str) -> None:
    # Replays to an endpoint that has an id have its URL as it is shown, and nothing sealed.
    only = f" AND {column} IS NOT NULL" if table == "events_replay" else ""
    last, lost = uuid.UUID(int=0), 0
    while True:
        cursor.execute(
            f"SELECT id, url, {column} FROM {table} WHERE id > %s AND url ~ '[?#]'{only} ORDER BY id LIMIT %s",
            [last, CHUNK],
        )
        rows = cursor.fetchall()
        if not rows:
            break
        last, changed = rows[-1][0], []
        for pk, url, sealed in rows:
            try:
                found = sealed_with(url, sealed)
            except encryption.CannotDecrypt:
                lost += 1
                continue
            if found is not None:
                changed.append((pk, public(url), found))
        if changed:
            cursor.execute(
                f"UPDATE {table} t SET url = n.url, {column} = n.sealed"
                " FROM unnest(%s::uuid[], %s::text[], %s::bytea[]) AS n (id, url, sealed) WHERE t.id = n.id",
                [[each[0] for each in changed], [each[1] for each in changed], [each[2] for each in changed]],
            )
    if lost:
        logger.warning("%d rows of %s stay as they are: no key of CREDENTIAL_KEYS opens them", lost, table)


class Migration(migrations.Migration):

    dependencies = [
        ("events", "0011_replay_receiver"),
        ("webhooks", "0004_operations_and_hours"),
    ]

    operations = [
        migrations.AlterField(
            model_name="endpoint",
            name="url",
            field=models.CharField(
                help_text="Values of the query masked; the whole is sealed.", max_length=2000
            ),
        ),
        migrations.AlterField(
            model_name="endpoint",
            name="sealed",
            field=models.BinaryField(
                help_text="Signing secrets, authentication, header values and whole URL, encrypted."
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="url",
            field=models.CharField(blank=True, help_text="Of an ad-hoc delivery; its query masked.", max_length=2000),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="sealed",
            field=models.BinaryField(
                help_text="Headers, authentication and the whole URL of an ad-hoc delivery, encrypted.", null=True
            ),
        ),
        migrations.RunPython(seal, migrations.RunPython.noop, elidable=True),
    ]

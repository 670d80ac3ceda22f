from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from executions.domain.errors import NodeError
from executions.domain.items import Items
from executions.nodes.exchanges import Exchanges
from executions.nodes.registry import node_types
from tests.unit.nodes.running import run, run_in_context
from workflow_platform.installation.embedded import free_port, wait_until

TABLE = "postgres_node_orders"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """The suite's own server, as a connection parameter, with an empty table."""
    url = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"DROP TABLE IF EXISTS {TABLE}")
        admin.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, name text, tags text[], extra jsonb)")
        yield {
            "host": url.hostname,
            "port": url.port,
            "dbname": url.path.lstrip("/"),
            "user": unquote(url.username or ""),
            "password": unquote(url.password or "unused-secret"),
        }
        admin.execute(f"DROP TABLE {TABLE}")


@pytest.fixture(autouse=True)
def _allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]


def rows(connection: Any, query: str, *items: dict[str, Any], **parameters: Any) -> Items:
    return run("postgres", *(items or ({},)), connection=connection, query=query, **parameters).outputs["main"]


def stored() -> list[Any]:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        return connection.execute(f"SELECT id FROM {TABLE} ORDER BY id").fetchall()


def test_a_query_runs_for_each_item_with_its_values_bound(server: dict[str, Any]) -> None:
    hostile = "'; DROP TABLE x; --"
    found = rows(
        server, "SELECT %s::int AS n, %s AS name", {"n": 1, "name": hostile}, {"n": 2, "name": "ü"},
        parameters=["{{ $json.n }}", "{{ $json.name }}"],
    )  # fmt: skip
    assert found == [{"n": 1, "name": hostile}, {"n": 2, "name": "ü"}]
    assert rows(server, "SELECT %(a)s::int + %(a)s::int AS n", parameters={"a": 2}) == [{"n": 4}]
    assert rows(server, "SELECT 'a' LIKE '%' AS matches") == [{"matches": True}]


def test_a_url_names_the_same_server(server: dict[str, Any]) -> None:
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}?sslmode=prefer".format(**server)
    assert rows(url, "SELECT current_user AS who") == [{"who": server["user"]}]


def test_values_are_json_by_the_table_in_postgres_values(server: dict[str, Any]) -> None:
    query = """SELECT 9007199254740991::bigint AS exact, 9007199254740992::bigint AS large, 1.10::numeric AS money,
        'NaN'::float8 AS nan, 1.5::float4 AS real, '2026-03-01'::date AS day, '2026-03-01 12:00+02'::timestamptz AS at,
        '2026-03-01 12:00'::timestamp AS wall, '90 s'::interval AS span, '\\x0102'::bytea AS bytes, NULL AS nothing,
        '{"a": [1.5]}'::jsonb AS json, ARRAY[1.5, 2]::numeric[] AS list, '10.0.0.0/8'::cidr AS net, 1 = 1 AS yes,
        '01234567-89ab-cdef-0123-456789abcdef'::uuid AS id, int4range(1, 3) AS range, ARRAY['1 s'::interval] AS spans"""
    assert rows(server, query) == [
        {
            "exact": 9007199254740991, "large": "9007199254740992", "money": "1.10", "nan": "nan", "real": 1.5,
            "day": "2026-03-01", "at": "2026-03-01T10:00:00+00:00", "wall": "2026-03-01T12:00:00", "span": "PT1M30S",
            "bytes": "AQI=", "nothing": None, "json": {"a": [1.5]}, "list": ["1.5", "2"], "net": "10.0.0.0/8",
            "yes": True, "id": "01234567-89ab-cdef-0123-456789abcdef", "range": "[1,3)", "spans": ["PT1S"],
        }
    ]  # fmt: skip


def test_changes_are_counted_and_lists_and_objects_are_arrays_and_json(server: dict[str, Any]) -> None:
    insert = f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s)"
    values = ["{{ $json.id }}", "a", ["x", "y"], {"deep": [1]}]
    assert rows(server, insert, {"id": 1}, {"id": 2}, parameters=values, read_only=False) == [{"affected": 1}] * 2
    updated = rows(server, f"UPDATE {TABLE} SET name = 'b' RETURNING id, tags, extra", read_only=False)
    assert updated == [{"id": n, "tags": ["x", "y"], "extra": {"deep": [1]}} for n in (1, 2)]
    assert rows(server, f"DELETE FROM {TABLE}", read_only=False) == [{"affected": 2}]
    uncounted = f"WITH one AS (SELECT 1 AS id) INSERT INTO {TABLE} SELECT id FROM one"
    assert rows(server, uncounted, read_only=False) == [{"affected": None}]
    assert rows(server, f"TRUNCATE {TABLE}", read_only=False) == [{"affected": None}]


def test_an_item_that_is_run_again_has_the_same_key(server: dict[str, Any]) -> None:
    query = "SELECT %(idempotency_key)s AS key"
    first = rows(server, query, {}, {}, parameters={})
    assert first == rows(server, query, {}, {}, parameters={}) == [{"key": f"execution/node/0/{n}"} for n in (0, 1)]


def test_nothing_changes_by_default(server: dict[str, Any]) -> None:
    for query in (
        f"INSERT INTO {TABLE} (id) VALUES (1)",
        f"WITH made AS (INSERT INTO {TABLE} (id) VALUES (1) RETURNING id) SELECT id FROM made",
    ):
        with pytest.raises(NodeError, match="read-only transaction") as raised:
            rows(server, query)
        assert not raised.value.retryable
    with pytest.raises(NodeError, match="must be set before any query"):
        rows(server, "SET TRANSACTION READ WRITE")


def test_a_statement_is_recorded_with_its_rows_and_an_error_with_what_the_server_said(server: dict[str, Any]) -> None:
    exchanges, items = Exchanges(), {"main": [{"n": 1}, {"n": 0}]}
    given = {"connection": server, "query": "SELECT 6 / %s AS n", "parameters": ["{{ $json.n }}"]}
    with pytest.raises(NodeError, match="division by zero") as raised:
        run_in_context("postgres", items, {"exchanges": exchanges}, **given)
    response = raised.value.response or {}
    assert (response["status"], response["body"]) == ("22012", "ERROR: division by zero")
    first, second = (exchanges.data() or {})["exchanges"]
    assert (first["request"]["query"], first["request"]["parameters"]) == ("SELECT 6 / %s AS n", [1])
    assert first["answer"] == {"rows": 1, "items": [{"n": 6}], "truncated": False}
    assert "division by zero" in second["error"]
    assert first["digest"] != second["digest"]


def test_all_items_are_done_or_none(server: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match="duplicate key"):
        rows(
            server, f"INSERT INTO {TABLE} (id) VALUES (%s)", {}, {}, parameters=[7], read_only=False
        )  # the second has the same id
    assert stored() == []


@pytest.mark.parametrize("query", ["COMMIT", "ROLLBACK"])
def test_a_query_cannot_end_the_transaction(server: dict[str, Any], query: str) -> None:
    with pytest.raises(NodeError, match="must not end the transaction"):
        rows(server, query, read_only=False)


@pytest.mark.parametrize("query", ["SELECT 1; SELECT 2", f"INSERT INTO {TABLE} (id) VALUES (1); SELECT 2"])
def test_there_is_one_statement(server: dict[str, Any], query: str) -> None:
    with pytest.raises(NodeError, match="multiple commands"):
        rows(server, query, read_only=False)
    assert stored() == []


def test_an_expression_in_the_query_is_refused_when_saved_and_when_run(server: dict[str, Any]) -> None:
    query = "SELECT '{{ $json.name }}'"
    with pytest.raises(NodeError, match=r"parameters\.query: .*`parameters`"):
        rows(server, query, {"name": "a"})
    assert [path for path, _, _ in node_types()["postgres"].check_parameters({"connection": "x", "query": query})] == [
        "parameters.query"
    ]


def test_more_rows_than_wanted_are_an_error_that_reads_no_further(server: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match=r"parameters\.row_limit"):
        rows(server, "SELECT generate_series(1, 1000000000) AS n", row_limit=10)
    assert len(rows(server, "SELECT generate_series(1, 10) AS n", row_limit=10)) == 10


def test_more_bytes_than_an_output_holds_are_an_error(server: dict[str, Any], settings: Any) -> None:
    settings.NODE_OUTPUT_MAX_BYTES = 10_000
    with pytest.raises(NodeError, match="more than 10000 bytes"):
        rows(server, "SELECT repeat('x', 1000) AS x FROM generate_series(1, 100)")
    with pytest.raises(NodeError, match=r"more than 10000 bytes, .*\(item 2\)"):
        rows(server, "SELECT repeat('x', 4000) AS x", {}, {}, {})


class EndlessServer:
    """A server that takes every login, and sends messages that never end."""

    def __init__(self, *messages: bytes, at_login: bytes = b"") -> None:
        self._messages, self._at_login = messages, at_login
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent = 0
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        self._listener.close()
        with client, contextlib.suppress(OSError):
            client.recv(8)  # SSLRequest
            client.sendall(b"N")
            client.recv(4096)
            client.sendall(b"R" + struct.pack("!II", 8, 0))
            self._flood(client, self._at_login)
            client.sendall(b"Z" + struct.pack("!I", 5) + b"I")
            for message in self._messages:
                client.recv(4096)
                self._flood(client, message)
        self.over.set()

    def _flood(self, client: socket.socket, head: bytes) -> None:
        """Send a message that says it is a gigabyte long, and go on until the other side ends it."""
        if not head:
            return
        client.sendall(head)
        while True:
            self.sent += client.send(b"x" * 65_536)


HUGE = b"%s" + struct.pack("!I", 1_000_000_000)


@pytest.mark.parametrize("kind", [b"D", b"N", b"E", b"T", b"A"])
def test_a_server_that_sends_without_end_is_cut_off(settings: Any, kind: bytes) -> None:
    settings.NODE_OUTPUT_MAX_BYTES = 100_000
    server = EndlessServer(HUGE % kind)
    connection = {"host": "127.0.0.1", "port": server.port, "dbname": "d", "user": "u"}
    with pytest.raises(NodeError):
        rows(connection, "SELECT 1")
    assert server.over.wait(60)
    assert server.sent < 32 * 1024 * 1024  # what the sockets on the way hold, besides what the relay let through


def test_a_server_that_sends_without_end_at_the_login_is_cut_off() -> None:
    server = EndlessServer(at_login=HUGE % b"N")
    with pytest.raises(NodeError, match=r"Could not connect to 127\.0\.0\.1"):
        rows({"host": "127.0.0.1", "port": server.port, "dbname": "d", "user": "u"}, "SELECT 1")
    assert server.over.wait(60)
    assert server.sent < 32 * 1024 * 1024


IN_ONE_PROCESS = """
import json, os, resource, sys
import django
django.setup()
from django.conf import settings
from executions.domain.errors import NodeError
from tests.unit.nodes.running import run, run_in_context
settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
connection = json.loads(sys.argv[1])
run("postgres", {}, connection=connection, query="SELECT 1 AS n")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for query in sys.argv[2:]:
    try:
        run("postgres", {}, connection=connection, query=query)
    except NodeError as error:
        print(json.dumps([str(error), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""
HUGE_VALUES = [
    "SELECT repeat('x', 200 * 1024 * 1024) AS value",
    "SELECT repeat('x', 20 * 1024 * 1024) AS value FROM generate_series(1, 10)",
    "DO $$ BEGIN RAISE NOTICE '%', repeat('x', 200 * 1024 * 1024); END $$",
    "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 200 * 1024 * 1024); END $$",
]


def test_huge_values_take_little_more_memory_than_an_output_may_have(server: dict[str, Any]) -> None:
    # A process of its own: its peak is that of the nodes. Each value is twice as large as what they may take together.
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS, json.dumps(server), *HUGE_VALUES],
        capture_output=True, text=True, timeout=300, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    ends = [json.loads(line) for line in done.stdout.splitlines()[-len(HUGE_VALUES) :]]
    assert len(ends) == len(HUGE_VALUES)
    for said, kilobytes in ends:
        assert "more than 16777216 bytes" in said
        assert kilobytes < 100 * 1024


def test_columns_of_one_name_keep_their_values_under_names_of_their_own(server: dict[str, Any]) -> None:
    query = "SELECT 1 AS id, 2 AS id, 3 AS id_2, 4 AS id, 5 AS other"
    assert rows(server, query) == [{"id": 1, "id_3": 2, "id_2": 3, "id_4": 4, "other": 5}]
    assert rows(server, "SELECT a.n, b.n FROM (VALUES (1)) a(n), (VALUES (2)) b(n)") == [{"n": 1, "n_2": 2}]


@pytest.mark.parametrize("first", ["", "SET statement_timeout = 0"])
def test_a_statement_has_a_time_limit_that_it_cannot_lift(server: dict[str, Any], first: str) -> None:
    query = "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)" if first else "SELECT pg_sleep(60)"
    with pytest.raises(NodeError, match=r"exceeded parameters\.timeout_seconds"):
        rows(server, query, timeout_seconds=0.3)


def test_a_cancelled_execution_stops_the_statement_on_the_server(server: dict[str, Any]) -> None:
    cancelled, said = threading.Event(), []

    def query() -> None:
        try:
            run_in_context(
                "postgres", {"main": [{}]}, {"cancelled": cancelled}, connection=server, query="SELECT pg_sleep(61)"
            )
        except NodeError as error:
            said.append(str(error))

    def running() -> bool:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(61)'")
            return found.fetchone() == (1,)

    thread = threading.Thread(target=query)
    thread.start()
    wait_until(running, "The statement")
    cancelled.set()
    thread.join(60)
    assert said == ["Cancelled."]
    wait_until(lambda: not running(), "The end of the statement")


def test_a_private_address_is_refused(server: dict[str, Any], settings: Any) -> None:
    settings.OUTBOUND_ALLOW = []
    with pytest.raises(NodeError, match=r"parameters\.connection\.host: .*OUTBOUND_ALLOW") as raised:
        rows(server, "SELECT 1")
    assert not raised.value.retryable


@pytest.mark.parametrize("host", ["/tmp", "a,127.0.0.1", "@abstract", "", "a b"])
def test_a_host_is_one_host_and_no_socket(server: dict[str, Any], host: str) -> None:
    with pytest.raises(NodeError, match=r"parameters\.connection\.host"):
        rows(server | {"host": host}, "SELECT 1")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hidden-secret@127.0.0.1/d",
        "postgresql://u:hidden-secret@127.0.0.1/d?hostaddr=127.0.0.1",
        "postgresql://u:hidden-secret@127.0.0.1/d?service=x",
        "postgresql://u:hidden-secret@127.0.0.1:x/d",
        "postgresql://u:hidden-secret@127.0.0.1/d?sslmode=off",
        "host=127.0.0.1 password=hidden-secret",
    ],
)
def test_a_url_that_asks_for_more_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(NodeError, match=r"parameters\.connection") as raised:
        rows(url, "SELECT 1")
    assert "hidden-secret" not in str(raised.value)


def test_a_server_that_is_not_there_can_be_tried_again(server: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match=r"Could not connect to 127\.0\.0\.1") as raised:
        rows(server | {"port": free_port()}, "SELECT 1")
    assert raised.value.retryable


def test_no_error_shows_the_password_even_if_the_server_repeats_it(server: dict[str, Any]) -> None:
    secret = server["password"] if len(server["password"]) > 5 else "unused-secret"
    connection = server | {"password": secret}
    with pytest.raises(NodeError, match="invalid input syntax") as raised:
        rows(connection, "SELECT %s::text::int AS n", parameters=[secret])
    assert secret not in str(raised.value)
    with pytest.raises(NodeError) as raised:
        rows(connection | {"dbname": f"no-{secret}"}, "SELECT 1")
    assert secret not in str(raised.value)
    with pytest.raises(NodeError) as raised:
        rows(connection | {"port": 0}, "SELECT 1")
    assert secret not in str(raised.value)


@pytest.mark.parametrize("parameters", [[1, 2], {"a": 1}, []])
def test_values_that_do_not_fit_the_query_are_named(server: dict[str, Any], parameters: Any) -> None:
    with pytest.raises(NodeError, match=r"parameters\.parameters|syntax error"):
        rows(server, "SELECT %s AS n", parameters=parameters)


def test_the_workers_own_passwords_and_options_are_not_used(
    server: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c application_name=stolen")
    monkeypatch.setenv("PGAPPNAME", "stolen")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    found = rows(server, "SELECT current_setting('application_name') AS name, current_setting('TimeZone') AS zone")
    assert found == [{"name": "workflow-platform", "zone": "UTC"}]


def test_all_items_use_one_connection(server: dict[str, Any]) -> None:
    connection = server | {"dbname": "{{ $json.db }}"}
    with pytest.raises(NodeError, match=r"must be the same for all items \(item 1\)"):
        rows(connection, "SELECT 1", {"db": server["dbname"]}, {"db": "other"})

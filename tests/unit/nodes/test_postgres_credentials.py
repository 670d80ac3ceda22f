"""What a postgres or a crypto node takes from its credential, and what it cannot make of it."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import uuid4

import pytest

from executions.credentials import OpenCredential
from executions.domain.credential_types import BadFields, PostgresLogin, read_fields
from executions.domain.errors import NodeError
from executions.nodes.postgres_connection import distinct
from executions.nodes.postgres_target import PostgresConnection, target_of
from tests.unit.nodes.running import run_in_context

SECRET = "correct-horse/battery"
WHOLE = PostgresLogin(host="db.example.com", dbname="orders", user="ada", password=SECRET, sslmode="verify-full")


def using(type_: str, data: dict[str, Any], node_type: str, hosts: list[str] | None = None, **parameters: Any) -> Any:
    held = OpenCredential(uuid4(), "Of a test", hosts or [], "1", read_fields(type_, data))
    context = {"find_credential": lambda reference, cancelled: held}
    return run_in_context(node_type, {"main": [{}]}, context, credential="Of a test", **parameters)


def test_a_credential_says_where_and_as_whom() -> None:
    found = target_of(None, WHOLE)
    assert (found.host, found.port, found.dbname, found.user) == ("db.example.com", 5432, "orders", "ada")
    assert (found.password, found.sslmode) == (SECRET, "verify-full")
    assert SECRET not in repr(found)


def test_a_node_cannot_have_the_password_sent_elsewhere() -> None:
    elsewhere = PostgresConnection(host="evil.example.com", port=1, dbname="d", user="u", sslmode="disable")
    assert target_of(elsewhere, WHOLE) == target_of(None, WHOLE)
    assert target_of("postgresql://u:p@evil.example.com:1/d?sslmode=disable", WHOLE) == target_of(None, WHOLE)


def test_a_node_says_what_the_credential_leaves_empty() -> None:
    found = target_of(PostgresConnection(host="db.example.com", dbname="d", user="u"), PostgresLogin(password=SECRET))
    assert (found.host, found.dbname, found.user, found.password) == ("db.example.com", "d", "u", SECRET)
    with pytest.raises(NodeError, match="set a database and a user"):
        target_of(None, PostgresLogin(host="db.example.com", password=SECRET))


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example.com"])
def test_allowed_hosts_hold_for_databases(host: str) -> None:
    with pytest.raises(NodeError, match=r"may only be sent to \*\.example\.org"):
        using(
            "postgres", {"password": SECRET}, "postgres", ["*.example.org"], query="SELECT 1",
            connection={"host": host, "dbname": "d", "user": "u"},
        )  # fmt: skip


def test_a_key_signs_and_is_in_no_output() -> None:
    made = using("crypto", {"secret": SECRET}, "crypto", operation="hmac", value="a")
    assert made.outputs["main"] == [{"data": hmac.digest(SECRET.encode(), b"a", "sha256").hex()}]
    echoed = using("crypto", {"secret": SECRET}, "crypto", operation="encode", value=f"x{SECRET}", encoding="base64")
    assert "***" in echoed.outputs["main"][0]["data"]


@pytest.mark.parametrize(("type_", "data"), [("bearer", {"token": SECRET}), ("crypto", {"secret": SECRET})])
def test_a_credential_of_another_type_is_refused(type_: str, data: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match="is not of the type postgres"):
        using(type_, data, "postgres", query="SELECT 1")


@pytest.mark.parametrize("type_", ["postgres", "crypto"])
def test_they_sign_no_request_in(type_: str, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    data = {"secret": SECRET} if type_ == "crypto" else {"password": SECRET}
    with pytest.raises(NodeError, match="cannot authenticate HTTP requests"):
        using(type_, data, "http_request", url="http://127.0.0.2:9/")


@pytest.mark.parametrize("data", [{"port": 0}, {"sslmode": "off"}, {"host": "a\nb"}, {"dsn": SECRET}])
def test_bad_fields_are_named_without_their_values(data: dict[str, Any]) -> None:
    with pytest.raises(BadFields) as raised:
        read_fields("postgres", data | {"password": SECRET})
    assert SECRET not in str(raised.value)


def test_names_of_columns_are_made_distinct() -> None:
    assert distinct(["a", "a", "a_2", "a", "b"]) == ["a", "a_3", "a_2", "a_4", "b"]
    assert distinct(["?column?", "?column?"]) == ["?column?", "?column?_2"]

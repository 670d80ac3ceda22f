"""What node types say that they do to the world, by their parameters."""

from __future__ import annotations

from typing import Any

import pytest

from executions.nodes.registry import node_types

ACTING = {
    "http_request": "writes",
    "postgres": "writes",
    "execute_workflow": "writes",
    "send_email": "sends",
    "send_webhook": "sends",
    "wait": "waits",
    "approval": "waits",
}


def test_each_type_says_the_most_that_it_does() -> None:
    described = {name: node_type.describe() for name, node_type in node_types().items()}
    assert {name: each["effect"] for name, each in described.items() if each["effect"] != "none"} == ACTING
    by_method = described["http_request"]["effects"]["method"]
    assert (by_method["GET"], by_method["HEAD"], by_method["POST"], by_method["DELETE"]) == (
        "reads", "reads", "writes", "writes",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("node_type", "parameters", "effect"),
    [
        ("http_request", {}, "reads"),
        ("http_request", {"method": "OPTIONS"}, "reads"),
        ("http_request", {"method": "PUT"}, "writes"),
        ("http_request", {"method": "{{ $json.method }}"}, "writes"),
        ("send_webhook", {"method": "GET"}, "sends"),
        ("set", {}, "none"),
        ("code", {"code": "return []"}, "none"),
    ],
)
def test_parameters_decide_where_that_matters(node_type: str, parameters: dict[str, Any], effect: str) -> None:
    assert node_types()[node_type].effect_of(parameters) == effect


@pytest.mark.parametrize(
    ("query", "effect"),
    [
        ("SELECT count(*) FROM a WHERE id IN (SELECT b FROM c)", "reads"),
        ("  values (1), (2)", "reads"),
        ("SELECT pg_notify('a', 'b')", "writes"),
        ('SELECT "my function"(1)', "writes"),
        ("SELECT count/* */(*), f--\n(1)", "writes"),
        ("SELECT * INTO b FROM a", "writes"),
        ("SELECT * FROM a FOR UPDATE", "writes"),
        ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "writes"),
        ("INSERT INTO a VALUES (1)", "writes"),
        ("EXPLAIN ANALYZE DELETE FROM a", "writes"),
    ],
)
def test_a_query_reads_unless_its_transaction_and_the_statement_may_write(query: str, effect: str) -> None:
    postgres = node_types()["postgres"]
    assert postgres.effect_of({"query": query}) == "reads"
    assert postgres.effect_of({"query": query, "read_only": False}) == effect
    assert postgres.effect_of({"query": query, "read_only": "{{ $json.safe }}"}) == effect

"""Expressions as people write them in n8n, with the answers that n8n gives, or the error where it has something else.

The answers in tests/data/real_expressions.jsonl were read one by one. docs/expressions.md names the differences.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "real_expressions.jsonl").read_text().splitlines()
]
ORDER = {
    "id": 42,
    "name": "ada lovelace",
    "email": "Ada Lovelace <ada@example.com>",
    "price": "19.99",
    "amount": 1234.5,
    "qty": 3,
    "active": True,
    "tags": ["red", "green", "blue"],
    "created_at": "2024-05-25T10:15:30.000Z",
    "date": "2024-05-25",
    "unix": 1716632130,
    "ms": 1716632130000,
    "body": {
        "user": {"first_name": "Ada", "last_name": "Lovelace", "address": {"city": "London", "zip": "N1"}},
        "items": [{"sku": "A1", "qty": 2, "price": 10.5}, {"sku": "B2", "qty": 1, "price": 99}],
    },
    "headers": {"content-type": "application/json", "x-api-key": "k"},
    "query": {"page": "2"},
    "html": "<p>Hello <b>World</b></p>",
    "text": "Order #1234 from 2024-05-25: total $1,234.50 https://example.com/a?b=1",
    "json": '{"a":{"b":[1,2]}}',
    "empty": "",
    "nothing": None,
    "nested": [[1, 2], [3]],
    "First Name": "Ada",
    "csv": "a,b,c",
    "message": "Line one\nLine two",
    "phone": "+44 20 7946 0958",
    "$binary": {
        "data": {"name": "a.pdf", "media_type": "application/pdf", "size": 5, "reference": str(UUID(int=1))},
    },
}
NODES: dict[str, list[dict[str, Any]]] = {
    "Webhook": [{"body": {"a": 1}, "headers": {"content-type": "text/plain"}}],
    "HTTP Request": [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}, {"n": 3, "t": "c"}],
}
PARAMS = {"Webhook": {"path": "p"}, "HTTP Request": {"url": "u"}, "Not Run": {}}
ABOUT = {
    "runIndex": 0,
    "prevNode": {"name": "Webhook", "outputIndex": 0, "runIndex": 0},
    "node": {"id": "now", "name": "Now", "version": 1, "params": {"value": "v"}},
    "nodes": {name: {"id": name, "name": name, "version": 1, "params": params} for name, params in PARAMS.items()},
}
SCOPE = ExpressionScope(
    [ORDER, {"id": 43, "name": "bob", "active": False}],
    {name: lambda items=items: items for name, items in NODES.items()},  # type: ignore[misc]
    {"id": "e1", "mode": "live", "resumeUrl": "https://x/r"},
    {"id": "w1", "name": "W", "active": True},
    {"region": "eu"},
    {"timezone": "Europe/Berlin", "about": ABOUT, "names": {*PARAMS, "Now"}},
    {"Webhook": lambda: {"index": [0, 0], "items": None, "errors": []}},
)


def answer(expression: str) -> dict[str, Any]:
    try:
        return {"result": Evaluator(SCOPE).resolve(f"{{{{ {expression} }}}}")}
    except ExpressionError as error:
        return {"error": str(error).split("}}: ", 1)[-1]}


def test_expressions_of_n8n_have_their_answers() -> None:
    assert len(CASES) > 500
    wrong = []
    for case in CASES:
        expression = case.pop("expression")
        if json.dumps(found := answer(expression)) != json.dumps(case):
            wrong.append((expression, found, case))
    assert wrong == []

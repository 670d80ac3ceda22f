"""docs/expressions.md: each example gives the result that the page shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.pairing import Pairing
from tests.docs.pages import table_rows

ITEM = {"n": 3, "text": "ab", "list": [1, 2], "day": "2024-05-25"}
HERE, OTHER = "It's here", "Other"
NODES = {
    HERE: {"id": "here", "name": HERE, "version": 1, "params": {}},
    OTHER: {"id": "other", "name": OTHER, "version": 1, "params": {"url": "https://example.com"}},
}
ABOUT = {
    "runIndex": 1,
    "prevNode": {"name": HERE, "outputIndex": 0, "runIndex": 0},
    "node": {"id": "now", "name": "Now", "version": 1, "params": {"value": "{{ 1 }}"}},
    "nodes": NODES,
}
ROWS = [[cell.replace("\\|", "|") for cell in row] for row in table_rows("expressions.md")]


def scope() -> ExpressionScope:
    return ExpressionScope(
        [ITEM],
        {HERE: lambda: [{"here": True}]},
        {"id": "e1", "mode": "live"},
        {"id": "w1", "name": "W", "active": True},
        {"region": "eu"},
        {"timezone": "Europe/Berlin", "about": ABOUT},
        {HERE: Pairing(None).as_dict},
    )


@pytest.mark.parametrize(("word", "compared", "example", "result"), ROWS, ids=[row[0] for row in ROWS])
def test_an_example_of_the_page_gives_its_result(word: str, compared: str, example: str, result: str) -> None:
    template = f"{{{{ {example.removeprefix('`').removesuffix('`')} }}}}"
    shown = result.removeprefix("`").removesuffix("`")
    if compared == "missing":
        with pytest.raises(ExpressionError) as raised:
            Evaluator(scope()).resolve(template)
        assert shown in str(raised.value)
        return
    assert compared in {"same", "different"}
    value: Any = Evaluator(scope()).resolve(template)
    assert json.dumps(value, ensure_ascii=False) == json.dumps(json.loads(shown), ensure_ascii=False)

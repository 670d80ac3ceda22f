"""docs/expressions.md: each example gives the result that the page shows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.pairing import Pairing
from executions.sandbox.code import CodeCall
from executions.sandbox.code_items import items_of
from executions.sandbox.evaluation import run as run_code
from tests.docs.pages import table_rows

FILE = {
    "name": "a.pdf",
    "media_type": "application/pdf",
    "size": 5,
    "reference": str(UUID(int=1)),
}
ITEM = {"n": 3, "text": "ab", "list": [1, 2], "day": "2024-05-25", "$binary": {"doc": FILE}}
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
OF_CODE = re.compile(r"(all|each): (.*)")


def scope() -> ExpressionScope:
    return ExpressionScope(
        [ITEM],
        {HERE: lambda: [{"here": True}]},
        {"id": "e1", "mode": "live", "customData": {"customer": "42"}},
        {"id": "w1", "name": "W", "active": True},
        {"region": "eu"},
        {"timezone": "Europe/Berlin", "about": ABOUT},
        {HERE: Pairing(None).as_dict},
    )


def run_in(example: re.Match[str]) -> Any:
    """Run an example of code as a sandbox process does. Returns the items. Raises ExpressionError."""
    mode: Any = example[1]
    of_code = replace(scope(), items=[{"n": 1}, {"n": 3}])
    static = {"global": {"last": 7}, "node": {}}
    head, *parts = run_code(CodeCall(example[2], of_code, mode, 5, 2**26, 2**20, static).task().parts)
    if error := orjson.loads(head)["error"]:
        raise ExpressionError(error)
    return items_of(orjson.loads(parts[0]))


@pytest.mark.parametrize(("word", "compared", "example", "result"), ROWS, ids=[row[0] for row in ROWS])
def test_an_example_of_the_page_gives_its_result(word: str, compared: str, example: str, result: str) -> None:
    assert compared in {"same", "different", "missing"}
    source, shown = (text.removeprefix("`").removesuffix("`") for text in (example, result))
    code = OF_CODE.fullmatch(source)
    if shown[0] not in '[{"' and not shown[0].isdigit() and shown not in {"true", "false", "null"}:
        with pytest.raises(ExpressionError) as raised:
            run_in(code) if code else Evaluator(scope()).resolve(f"{{{{ {source} }}}}")
        assert shown in str(raised.value)
        return
    value = run_in(code) if code else Evaluator(scope()).resolve(f"{{{{ {source} }}}}")
    assert json.dumps(value, ensure_ascii=False) == json.dumps(json.loads(shown), ensure_ascii=False)

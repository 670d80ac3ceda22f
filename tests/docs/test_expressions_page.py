"""docs/expressions.md: each example gives the result that the page shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executions.domain.expressions import Evaluator, ExpressionScope
from tests.docs.pages import table_rows

ITEM = {"n": 3, "text": "ab", "list": [1, 2], "day": "2024-05-25"}
ROWS = [[cell.replace("\\|", "|") for cell in row] for row in table_rows("expressions.md")]


@pytest.mark.parametrize(("word", "compared", "example", "result"), ROWS, ids=[row[0] for row in ROWS])
def test_an_example_of_the_page_gives_its_result(word: str, compared: str, example: str, result: str) -> None:
    assert compared in {"same", "different"}
    value: Any = Evaluator(ExpressionScope([ITEM], surroundings={"timezone": "Europe/Berlin"})).resolve(
        f"{{{{ {example.strip('`')} }}}}"
    )
    assert value == json.loads(result.strip("`"))

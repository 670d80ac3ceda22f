from __future__ import annotations

import pytest

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run


def test_each_element_becomes_an_item() -> None:
    result = run("split_out", {"list": [{"a": 1}, 2]}, {"list": []}, {"list": ["x"]}, field="list")
    assert result.outputs == {"main": [{"a": 1}, {"list": 2}, {"list": "x"}]}


def test_a_field_that_is_no_list_is_named_with_its_item() -> None:
    with pytest.raises(NodeError, match=r"'list' is not a list \(item 1\)"):
        run("split_out", {"list": []}, {"list": "x"}, field="list")

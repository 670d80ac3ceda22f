from __future__ import annotations

import pytest
from executions.domain.errors import NodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.nodes.running import run

ITEMS = [{"n": n} for n in range(5)]


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({"count": 2}, [0, 1]),
        ({"count": 2, "offset": 1}, [1, 2]),
        ({"count": 2, "keep": "last"}, [3, 4]),
        ({"count": 2, "keep": "last", "offset": 1}, [2, 3]),
        ({"count": 9, "keep": "last", "offset": 9}, []),
        ({"count": 0}, []),
    ],
)
def test_the_first_or_last_are_handed_on(parameters: dict[str, object], numbers: list[int]) -> None:
    assert [item["n"] for item in run("limit", *ITEMS, **parameters).outputs["main"]] == numbers


@given(st.integers(0, 9), st.integers(0, 9))
def test_last_is_first_seen_from_the_end(count: int, offset: int) -> None:
    first = run("limit", *ITEMS[::-1], count=count, offset=offset).outputs["main"]
    assert run("limit", *ITEMS, count=count, offset=offset, keep="last").outputs["main"] == first[::-1]


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(NodeError, match=r"parameters\.count"):
        run("limit", *ITEMS, count=-1)

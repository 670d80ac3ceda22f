from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.errors import NodeError
from executions.nodes.base import Items
from tests.unit.nodes.running import run


def parsed(text: str, **parameters: Any) -> Items:
    return run("csv", {"body": text}, **parameters).outputs["main"]


def written(*items: dict[str, Any], **parameters: Any) -> Any:
    [item] = run("csv", *items, operation="write", **parameters).outputs["main"]
    return item["csv"]


def test_each_row_is_an_item_named_by_the_header() -> None:
    text = '\ufeffname,say\r\nann,"a ""b"", c\nd"\r\n\r\nbob\r\n'
    assert parsed(text) == [{"name": "ann", "say": 'a "b", c\nd'}, {"name": "bob"}]


def test_delimiter_quote_and_names_can_be_chosen() -> None:
    assert parsed("1\t'a\tb'", delimiter="\\t", quote="'", header=False) == [{"column_1": "1", "column_2": "a\tb"}]
    assert parsed("1;2", delimiter=";", header=False, columns=["a", "b"]) == [{"a": "1", "b": "2"}]


def test_types_are_inferred_only_where_asked_and_nothing_is_lost() -> None:
    text = "a,b,c,d,e,f,g\n1,-2.5,true,,007,1e999,12345678901234567890"
    assert parsed(text)[0]["a"] == "1"
    assert list(parsed(text, infer_types=True)[0].values()) == [
        1, -2.5, True, None, "007", "1e999", "12345678901234567890",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,a\n1,2", "two columns are named 'a'"),
        ("a\n1,2", "row 1 has 2 fields; the number of columns is 1"),
        ('a\n"1', "unexpected end"),
        ('a\n"1"2', "expected after"),
        (",".join(map(str, range(2001))), "2001 columns; the limit is 2000"),
        ("a\n" + "1\n" * 200_001, "more than 200000 rows"),
    ],
    ids=range(6),
)
def test_what_cannot_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(NodeError, match=rf"parameters\.field: .*{said}.*\(item 0\)"):
        parsed(text)


@pytest.mark.parametrize("parameters", [{"delimiter": "ab"}, {"delimiter": '"'}, {"delimiter": "\n"}])
def test_a_delimiter_is_one_character(parameters: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match=r"parameters\.delimiter"):
        parsed("a", **parameters)


def test_a_long_text_in_one_field_is_read() -> None:
    assert parsed("a\n" + "x" * 1_000_000)[0]["a"] == "x" * 1_000_000


def test_all_items_become_one_text_with_every_field() -> None:
    text = written({"a": 1, "b": None}, {"c": {"d": [True]}, "a": 'x"y'})
    assert text == 'a,b,c\r\n1,,\r\n"x""y",,"{""d"":[true]}"\r\n'
    assert written({"a": {"b": 1}, "c": 2}, columns=["c", "a.b"], line_end="lf", header=False) == "2,1\n"


def test_formulas_are_escaped_where_asked() -> None:
    assert written({"a": "=1+1", "b": -1}, escape_formulas=True, header=False) == "'=1+1,-1\r\n"


Cells = st.text(st.characters(exclude_categories=("Cs",))).filter(lambda text: "{{" not in text)


@given(
    st.lists(Cells.filter(lambda name: name and not name.startswith("\ufeff")), min_size=1, max_size=4, unique=True),
    st.data(),
    st.sampled_from([",", ";", "\\t", "|"]),
    st.sampled_from(["crlf", "lf"]),
)
def test_what_is_written_is_read_as_it_was(names: list[str], data: Any, delimiter: str, line_end: str) -> None:
    items = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, Cells)), min_size=1, max_size=4))
    assert parsed(written(*items, delimiter=delimiter, line_end=line_end), delimiter=delimiter) == items

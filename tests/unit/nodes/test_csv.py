from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.errors import NodeError
from executions.domain.items import Items
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
        ('a\n"1', "unexpected end"),
        ('sep=;\n\na\n"1";\n"1"2', "expected after '\"' in line 5; check the delimiter ';'"),
        (",".join(map(str, range(2001))), "2001 columns; the limit is 2000"),
        ("a\n" + "1," * 2000 + "1", "2001 columns; the limit is 2000"),
        ("a\n" + "1\n" * 200_001, "more than 200000 rows"),
    ],
    ids=range(5),
)
def test_what_cannot_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(NodeError, match=rf"parameters\.field: .*{said}.*\(item 0\)"):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "parameters", "items"),
    [
        ("id,name,name,name_2\n1,a,b,c", {}, [{"id": "1", "name": "a", "name_3": "b", "name_2": "c"}]),
        ("column_2,\n1,2", {"header": True}, [{"column_2": "1", "column_2_2": "2"}]),
        (",column_1\n1,2", {}, [{"column_1_2": "1", "column_1": "2"}]),
        ("a,b\n1,2,\n3,4,,\n5", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5"}]),
        ("a,b,\n1,2,\n3,4,x", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4", "column_3": "x"}]),
        ("a,b\n1,2,,x", {"infer_types": True}, [{"a": 1, "b": 2, "column_3": None, "column_4": "x"}]),
        ("1,2,3", {"header": False, "columns": ["a"]}, [{"a": "1", "column_2": "2", "column_3": "3"}]),
        ("1,,\n", {"header": False}, [{"column_1": "1", "column_2": "", "column_3": ""}]),
        ("\n\na\n1", {}, [{"a": "1"}]),
        ('Title\n\n"unit\na\n1', {"skip_lines": 3}, [{"a": "1"}]),
        ("a\n1", {"skip_lines": 5}, []),
        ("sep=;\na;b\n1;2", {"delimiter": ";"}, [{"a": "1", "b": "2"}]),
        ('\ufeff"SEP=;"\r\nTitle\r\na;b\r\n1,5;2', {"skip_lines": 1}, [{"a": "1,5", "b": "2"}]),
        ("sep=ab\n1", {}, [{"sep=ab": "1"}]),
        (' a , "b" \n x ,\ty', {"trim": True}, [{"a": "x", "b": "y"}]),
        ("", {}, []),
    ],
    ids=str,
)
def test_what_spreadsheets_and_banks_write_is_read(text: str, parameters: dict[str, Any], items: Items) -> None:
    assert parsed(text, **parameters) == items


def test_spaces_around_quotes_are_no_part_of_a_value() -> None:
    text = 'date, other, temperature, place\n2011-01-03, , "6,000,000",Galway\n1\t, x "y", "a, ""b""" ,\n'
    assert [list(item.values()) for item in parsed(text)] == [
        ["2011-01-03", " ", "6,000,000", "Galway"],
        ["1\t", ' x "y"', 'a, "b"', ""],
    ]
    with pytest.raises(NodeError, match="unexpected end"):
        parsed('a, "b\n"1",\n"2')


def test_each_row_came_from_the_item_of_its_text() -> None:
    result = run("csv", {"body": "a\n1\n2"}, {"body": "a"}, {"body": "a\n3"})
    assert result.lineage == {"main": [0, 0, 2]}
    assert run("csv", {"a": 1}, {"a": 2}, operation="write").lineage == {"main": [[0, 1]]}


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


@given(
    st.lists(st.lists(st.tuples(Cells, st.sampled_from(["", " ", "\t  "])), min_size=1, max_size=4), max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_padding_around_quotes_changes_no_value(rows: list[list[tuple[str, str]]], end: str) -> None:
    text = end.join(",".join(pad + '"' + cell.replace('"', '""') + '"' + pad for cell, pad in row) for row in rows)
    read = parsed(text, header=False, skip_empty_rows=False) if rows else []
    assert [list(item.values()) for item in read] == [[cell for cell, _ in row] for row in rows]


def test_files_are_no_column() -> None:
    item = {"a": 1, "$binary": {"doc": {"name": "a.pdf"}}}
    (made,) = run("csv", item, operation="write").outputs["main"]
    assert "binary" not in str(made)

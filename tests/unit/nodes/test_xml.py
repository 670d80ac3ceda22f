from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run

LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>'
EXTERNAL = '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>'
PARAMETER = '<!DOCTYPE l [<!-- ] > -->\n<!ENTITY % p SYSTEM "http://127.0.0.1/x.dtd">%p;]><l/>'
RSS = '<!DOCTYPE rss SYSTEM "http://my.netscape.com/rss-0.91.dtd"><rss version="0.91"><title>t</title></rss>'
PLIST = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"'
    ' "http://www.apple.com/DTDs/PropertyList-1.0.dtd"><!-- > --><plist><true/></plist>'
)
SUBSET = """<!DOCTYPE a [<!ELEMENT a (#PCDATA)><!-- ]> it's <!ENTITY -->
<?x ]> ?><!ATTLIST a x CDATA ']>"<!ENTITY'>
] ><a>1</a>"""


def parsed(source: str, **parameters: Any) -> Any:
    return run("xml", {"body": source}, **parameters).outputs["main"][0]["data"]


def written(value: Any, **parameters: Any) -> Any:
    return run("xml", {"body": value}, operation="write", **parameters).outputs["main"][0]["data"]


def test_elements_attributes_and_texts_become_json() -> None:
    source = (
        '<?xml version="1.0"?><o:order xmlns:o="urn:o" id="7"><line>a &amp; b</line><line n="2">c</line><e/></o:order>'
    )
    assert parsed(source) == {
        "o:order": {"@xmlns:o": "urn:o", "@id": "7", "line": ["a & b", {"@n": "2", "#text": "c"}], "e": None}
    }


def test_each_result_came_from_the_item_of_its_text() -> None:
    assert run("xml", {"body": "<a/>"}, {"body": "<b/>"}).lineage == {"main": "same"}


def test_one_element_can_be_a_list_and_the_prefix_another() -> None:
    assert parsed('<a><b c="1"/></a>', lists=["b"], attribute_prefix="$") == {"a": {"b": [{"$c": "1"}]}}


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ('\n <?xml version="1.0"?><a>1</a>', {"a": "1"}),
        ('\ufeff\r\n\ufeff<?xml version="1.1" encoding="foo"?>\n<a>1</a>\n', {"a": "1"}),
        ('<!-- cached --><?xml version="1.0"?><a>1</a>', {"a": "1"}),
        ('Notice: undefined index in x.php on line 3\n<?xml version="1.0"?><a>1</a>', {"a": "1"}),
        (RSS, {"rss": {"@version": "0.91", "title": "t"}}),
        (PLIST, {"plist": {"true": None}}),
        ("<!doctype html><html/>", {"html": None}),
        (SUBSET, {"a": "1"}),
    ],
    ids=range(8),
)
def test_what_feeds_send_before_the_root_is_read_past(source: str, result: Any) -> None:
    assert parsed(source) == result


def test_characters_that_xml_does_not_know_are_replaced() -> None:
    assert parsed("<a b='\x01'>ab\x08cd\uffff\ud83d\t</a>") == {
        "a": {"@b": "\ufffd", "#text": "ab\ufffdcd\ufffd\ufffd"}
    }


def test_names_of_characters_in_html_are_read_but_not_where_they_are_text() -> None:
    source = "<a b='&eacute;&LT;'>&nbsp;&amp;amp; &NotEqualTilde;<!-- &x; --><![CDATA[&nbsp;<]]> <?x &y;?></a>"
    assert parsed(source) == {"a": {"@b": "é<", "#text": "&amp; ≂̸&nbsp;<"}}
    assert parsed("<a>&amp;</a>") == {"a": "&"}


def test_an_error_names_the_line_of_the_whole_text() -> None:
    with pytest.raises(NodeError, match="mismatched tag: line 4, column 13"):
        parsed('\n<?xml version="1.0"?>\n<!DOCTYPE a>\n<!-- --><a></b>')
    with pytest.raises(NodeError, match=r"undefined entity: line 1.* &#160; are allowed"):
        parsed('<!DOCTYPE a SYSTEM "x"><a b="&company;"/>')


@pytest.mark.parametrize(
    "source",
    [
        "<!DOCTYPE a",
        "<!DOCTYPE a [ > <a/>",
        "<!DOCTYPE a [" + "<" * 200_000 + "]><a/>",
        "<!DOCTYPE a [" + "<!--" * 300_000,
    ],
)
def test_a_document_type_without_an_end_is_refused(source: str) -> None:
    with pytest.raises(NodeError, match=r"DOCTYPE\) does not end"):
        parsed(source)


@pytest.mark.parametrize("source", [LAUGHS, EXTERNAL, PARAMETER])
def test_entities_are_refused(source: str) -> None:
    with pytest.raises(NodeError, match=r"parameters\.field: .*DOCTYPE"):
        parsed(source)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "<a>",
        "no",
        "no<a/>",
        "<a/>no",
        "<a/><!DOCTYPE a>",
        "<!DOCTYPE a><!DOCTYPE a><a/>",
        "<a/><b/>",
        "<a>&b;</a>",
        "<a>" * 201 + "</a>" * 201,
        "<a>" + "<b/>" * 400_001 + "</a>",
    ],
)
def test_what_is_no_xml_or_too_large_is_refused(source: str) -> None:
    with pytest.raises(NodeError, match=r"parameters\.field: .*\(item 0\)"):
        parsed(source)


def test_json_becomes_elements_attributes_and_texts() -> None:
    value = {"order": {"@id": 7, "line": ["a & b", {"@n": "<2>", "#text": "c"}], "ok": True, "e": None}}
    assert written(value, declaration=False) == (
        '<order id="7"><line>a &amp; b</line><line n="&lt;2&gt;">c</line><ok>true</ok><e></e></order>'
    )
    assert written({"b": 1}, root="a").startswith('<?xml version="1.0" encoding="utf-8"?>\n<a><b>1</b></a>')


@pytest.mark.parametrize("value", [{}, {"a": 1, "b": 2}, {"a": [1, 2]}, "text", 3, [1]])
def test_a_document_has_one_root(value: Any) -> None:
    with pytest.raises(NodeError, match=r"parameters\.root"):
        written(value)


@pytest.mark.parametrize("value", [{"b": [[1]]}, {"@b": {}}, {"#text": [1]}, {"c": [{"@b": []}]}])
def test_what_has_no_place_in_xml_is_refused(value: Any) -> None:
    with pytest.raises(NodeError, match=r"parameters\.field: the value cannot be converted to XML: '.*' is"):
        written({"a": value})


@pytest.mark.parametrize(
    "value",
    [{"a b": 1}, {"a>": 1}, {"1": 1}, {"a": {'@x="1" y': 1}}, {"a": {"@x&": 1}}, {"a": "\x00"}, {"a": "\x1b"}],
)
def test_names_and_characters_that_xml_does_not_know_are_refused(value: Any) -> None:
    with pytest.raises(NodeError, match=r"parameters\.field: the value cannot be converted"):
        written(value)


Names = st.from_regex(r"[a-z][a-z0-9_.-]{0,5}", fullmatch=True)
Texts = st.text(st.characters(min_codepoint=33, exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1).filter(
    lambda text: "{{" not in text and not {"\ufffe", "\uffff"} & set(text)
)
Elements = st.recursive(
    st.none() | Texts,
    lambda inner: st.dictionaries(Names, inner | st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=3),
    max_leaves=8,
)


@given(Names, Elements, st.dictionaries(Names.map(lambda name: f"@{name}"), Texts, max_size=2))
def test_what_is_written_is_read_as_it_was(root: str, element: Any, attributes: dict[str, str]) -> None:
    if isinstance(element, dict):
        element = attributes | element
    assert parsed(written({root: element})) == {root: element}

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.paths import FieldPath, text_at, with_value

MAX_HTML = 5_000_000
# At worst parsing is quadratic in nested elements (50,000: 2 s), and selectors with functions, such as :has(), are in
# nested or sibling ones (20,000: 1 s). A page not made to hurt takes milliseconds.
MAX_TAGS = 50_000
MAX_TAGS_FOR_FUNCTIONS = 20_000
MAX_MATCHES = 10_000


class Extraction(Parameters):
    into: FieldPath = Field(title="Into", description="The field that takes what is found.")
    selector: str = Field(title="CSS selector", description="Such as article h2 > a.", min_length=1, max_length=500)
    get: Literal["text", "html", "inner_html", "attribute"] = Field("text", title="Get")
    attribute: str | None = Field(None, title="Attribute", description="Which, such as href.", max_length=200)
    all: bool = Field(False, title="All", description="A list of all matches, else the first, or null.")


class HtmlExtractParameters(Parameters):
    field: FieldPath = Field("body", title="Field", description="The field that holds the HTML text.")
    extract: list[Extraction] = Field(title="Extract", min_length=1, max_length=50)
    trim: bool = Field(True, title="Trim", description="Makes one space of each run of white space in texts.")
    keep_other_fields: bool = Field(False, title="Keep other fields", description="Or give only what was extracted.")


class HtmlExtract(NodeType[HtmlExtractParameters]):
    type = "html_extract"
    label = "HTML extract"
    description = "Takes texts, attributes or HTML out of a page, by CSS selectors."
    icon = "html"
    category = "data"
    Parameters = HtmlExtractParameters
    computes = True
    inline_bytes = 2 * 1024

    def run(self, context: NodeContext[HtmlExtractParameters]) -> NodeResult:
        return NodeResult({"main": [self._extract(context, index) for index in range(len(context.items))]})

    def _extract(self, context: NodeContext[HtmlExtractParameters], index: int) -> dict[str, Any]:
        parameters = context.parameters(index)
        html = text_at(context.items[index], parameters.field, "field", index, MAX_HTML)
        functions = any("(" in extraction.selector for extraction in parameters.extract)
        limit = MAX_TAGS_FOR_FUNCTIONS if functions else MAX_TAGS
        if html.count("<") > limit:
            said = "for selectors with functions such as :has()" if functions else "in all"
            raise NodeError(f"parameters.field: the HTML has more than {limit} tags, the most {said} (item {index}).")
        page = LexborHTMLParser(html)
        out = context.items[index] if parameters.keep_other_fields else {}
        for number, extraction in enumerate(parameters.extract):
            if context.cancelled.is_set():
                raise NodeError("Cancelled.")
            name = f"parameters.extract.{number}"
            if extraction.get == "attribute" and not extraction.attribute:
                raise NodeError(f"{name}.attribute: say which.")
            found = [_value(node, extraction, parameters.trim) for node in _matches(page, extraction, name)]
            out = with_value(out, extraction.into, found if extraction.all else found[0] if found else None)
        return out


def _matches(page: LexborHTMLParser, extraction: Extraction, name: str) -> list[LexborNode]:
    try:
        found = page.css(extraction.selector)
    except (SelectolaxError, ValueError):
        raise NodeError(f"{name}.selector: {extraction.selector!r} is no CSS selector.") from None
    if extraction.all and len(found) > MAX_MATCHES:
        raise NodeError(f"{name}.selector: matches more than {MAX_MATCHES} elements.")
    return found if extraction.all else found[:1]


def _value(node: LexborNode, extraction: Extraction, trim: bool) -> str | None:
    match extraction.get:
        case "text":
            text = node.text(deep=True)
            return " ".join(text.split()) if trim else text
        case "html":
            return node.html
        case "inner_html":
            return node.inner_html
    assert extraction.attribute is not None
    attributes = node.attributes
    name = extraction.attribute.lower()
    return (attributes[name] or "") if name in attributes else None  # an attribute without a value is there

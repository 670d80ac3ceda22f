from __future__ import annotations

from typing import Literal

from pydantic import Field
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.paths import FieldPath, with_value
from executions.nodes.source_texts import FileKey, source_text

MAX_HTML = 5_000_000
# In the worst case parsing is quadratic in nested elements (50,000 take 2 s), and selectors with functions such as
# :has() are quadratic in nested or sibling elements (20,000 take 1 s). Ordinary pages take milliseconds.
MAX_TAGS = 50_000
MAX_TAGS_FOR_FUNCTIONS = 20_000
MAX_MATCHES = 10_000


class Extraction(Parameters):
    into: FieldPath = Field(title="Into", description="The field for the extracted value.")
    selector: str = Field(title="CSS selector", description="For example article h2 > a.", min_length=1, max_length=500)
    get: Literal["text", "html", "inner_html", "attribute"] = Field("text", title="Get")
    attribute: str | None = Field(
        None, title="Attribute", description="The name of the attribute, for example href.", max_length=200
    )
    all: bool = Field(
        False, title="All", description="Return a list of all matches. If off, return the first match, or null."
    )


class HtmlExtractParameters(Parameters):
    field: FieldPath = Field("body", title="Field", description="The field with the HTML text.")
    binary: FileKey = ""
    extract: list[Extraction] = Field(title="Extract", min_length=1, max_length=50)
    trim: bool = Field(True, title="Trim", description="Collapse white space in texts to single spaces.")
    keep_other_fields: bool = Field(
        False,
        title="Keep other fields",
        description="Keep the fields of the item. If off, return only the extracted fields.",
    )


class HtmlExtract(ItemNodeType[HtmlExtractParameters]):
    type = "html_extract"
    label = "HTML extract"
    description = "Extracts text, attributes or HTML from a page with CSS selectors."
    icon = "html"
    category = "data"
    Parameters = HtmlExtractParameters
    computes = True
    file_parameter = "binary"
    inline_bytes = 2 * 1024

    def run_item(self, context: NodeContext[HtmlExtractParameters], index: int, item: Item) -> dict[str, Items]:
        parameters = context.parameters(index)
        html = source_text(context, item, parameters.binary, parameters.field, index, MAX_HTML)
        functions = any("(" in extraction.selector for extraction in parameters.extract)
        limit = MAX_TAGS_FOR_FUNCTIONS if functions else MAX_TAGS
        if html.count("<") > limit:
            why = " for selectors with functions such as :has()" if functions else ""
            raise NodeError(f"parameters.field: the HTML has more than {limit} tags, the limit{why} (item {index}).")
        page = LexborHTMLParser(html)
        out = item if parameters.keep_other_fields else {}
        for number, extraction in enumerate(parameters.extract):
            if context.cancelled.is_set():
                raise NodeError("Cancelled.")
            name = f"parameters.extract.{number}"
            if extraction.get == "attribute" and not extraction.attribute:
                raise NodeError(f"{name}.attribute: enter the name of the attribute.")
            values = [_value(node, extraction, parameters.trim) for node in _matches(page, extraction, name)]
            out = with_value(out, extraction.into, values if extraction.all else values[0] if values else None)
        return {"main": [out]}


def _matches(page: LexborHTMLParser, extraction: Extraction, name: str) -> list[LexborNode]:
    try:
        elements = page.css(extraction.selector)
    except (SelectolaxError, ValueError):
        raise NodeError(f"{name}.selector: {extraction.selector!r} is not a valid CSS selector.") from None
    if extraction.all and len(elements) > MAX_MATCHES:
        raise NodeError(f"{name}.selector: matches {len(elements)} elements; the limit is {MAX_MATCHES}.")
    return elements if extraction.all else elements[:1]


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
    return (attributes[name] or "") if name in attributes else None  # an attribute without a value is an empty text

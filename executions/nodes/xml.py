from __future__ import annotations

from typing import Any, Literal
from xml.parsers import expat

import xmltodict
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.paths import MISSING, FieldPath, read, with_value
from executions.nodes.source_texts import FileKey, source_text
from executions.nodes.xml_characters import with_known_characters
from executions.nodes.xml_prolog import without_prolog

MAX_XML = 10_000_000
MAX_TAGS = 400_000
MAX_DEPTH = 200
_UNDEFINED_ENTITY = 11  # of expat's errors


class XmlParameters(Parameters):
    operation: Literal["parse", "write"] = Field(
        "parse", title="Operation", description="parse: XML to JSON. write: JSON to XML."
    )
    field: FieldPath = Field(
        "body", title="Field", description="The field with the XML text (parse) or the object (write)."
    )
    binary: FileKey = ""
    into: FieldPath = Field("data", title="Into", description="The field for the result.")
    attribute_prefix: str = Field(
        "@",
        title="Attribute prefix",
        description="The prefix of keys for attributes. The text of an element with attributes is #text.",
        pattern=r"^[@_$-]{1,3}$",
    )
    lists: list[str] = Field(
        [], title="Lists", description="Elements to return as lists even if there is only one.", max_length=200
    )
    keep_white_space: bool = Field(
        False, title="Keep white space", description="For parse: keep white space around text."
    )
    root: str | None = Field(
        None,
        title="Root",
        description="For write: the root element. Defaults to the only key of the object.",
        max_length=200,
    )
    declaration: bool = Field(True, title="Declaration", description='Start the document with <?xml version="1.0"…?>.')
    pretty: bool = Field(False, title="Pretty", description="For write: put each element on its own line.")


class Xml(ItemNodeType[XmlParameters]):
    type = "xml"
    label = "XML"
    description = (
        "Converts XML to JSON, or JSON to XML. Declared entities are not allowed, and no external documents are read."
    )
    icon = "xml"
    category = "data"
    Parameters = XmlParameters
    computes = True
    file_parameter = "binary"

    def run_item(self, context: NodeContext[XmlParameters], index: int, item: Item) -> dict[str, Items]:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        parameters = context.parameters(index)
        if parameters.operation == "parse":
            source = source_text(context, item, parameters.binary, parameters.field, index, MAX_XML)
            result: Any = parse(source, parameters, index)
        else:
            result = write(read(item, parameters.field), parameters, index)
        return {"main": [with_value(item, parameters.into, result)]}


def parse(source: str, parameters: XmlParameters, index: int) -> dict[str, Any]:
    """Convert an XML document to JSON. Raises NodeError that names the field."""
    try:
        source = with_known_characters(without_prolog(source))
        _check(source)
        parsed: dict[str, Any] = xmltodict.parse(
            source.encode(),
            encoding="utf-8",
            attr_prefix=parameters.attribute_prefix,
            force_list=tuple(parameters.lists),
            strip_whitespace=not parameters.keep_white_space,
        )
    except (expat.ExpatError, ValueError) as error:
        advice = ""
        if getattr(error, "code", 0) == _UNDEFINED_ENTITY:
            advice = " Only the names of characters in HTML and numbers such as &#160; are allowed."
        raise NodeError(f"parameters.field: the XML text is invalid: {error} (item {index}).{advice}") from None
    return parsed


def write(value: Any, parameters: XmlParameters, index: int) -> str:
    """Convert an object to an XML document. Raises NodeError that names the field."""
    if value is MISSING:
        raise NodeError(f"parameters.field: {parameters.field!r} is missing (item {index}).")
    document = {parameters.root: value} if parameters.root else value
    if not isinstance(document, dict) or len(document) != 1 or isinstance(next(iter(document.values())), list):
        raise NodeError(
            f"parameters.root: set a root element, since the value does not have exactly one key (item {index})."
        )
    try:
        _check_shape(document, parameters.attribute_prefix)
        written: str = xmltodict.unparse(
            document,
            attr_prefix=parameters.attribute_prefix,
            full_document=parameters.declaration,
            pretty=parameters.pretty,
        )
        _check(written)  # detects names and characters that are invalid in XML
    except (expat.ExpatError, ValueError, RecursionError) as error:
        raise NodeError(f"parameters.field: the value cannot be converted to XML: {error} (item {index}).") from None
    return written


def _check_shape(value: Any, attribute_prefix: str) -> None:
    """Raise ValueError for values that XML cannot express: a list in a list, an object or list as attribute or text."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key.startswith(attribute_prefix) or key == "#text":
            if isinstance(inner, dict | list):
                raise ValueError(f"{key[:100]!r} is not text")
            continue
        for element in inner if isinstance(inner, list) else [inner]:
            if isinstance(element, list):
                raise ValueError(f"{key[:100]!r} is a list of lists")
            _check_shape(element, attribute_prefix)


def _check(source: str) -> None:
    """Validate a document without its prolog. Raises ValueError for a document type (and thereby entities), or too much
    depth or size; ExpatError for invalid XML."""
    if len(source) > MAX_XML or source.count("<") > MAX_TAGS:
        raise ValueError(f"it has more than {MAX_XML} characters or {MAX_TAGS} tags, the limits")
    parser, depth = expat.ParserCreate("utf-8"), 0

    def start(name: str, attributes: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"its elements are nested more than {MAX_DEPTH} levels deep, the limit")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: Any) -> None:
        raise ValueError("document types (DOCTYPE) and entities are not allowed")

    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    parser.Parse(source.encode(), True)

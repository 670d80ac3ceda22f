from __future__ import annotations

from typing import Any, Literal
from xml.parsers import expat

import xmltodict
from pydantic import Field

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.paths import MISSING, FieldPath, read, text_at, with_value

MAX_XML = 10_000_000
MAX_TAGS = 400_000
MAX_DEPTH = 200


class XmlParameters(Parameters):
    operation: Literal["parse", "write"] = Field("parse", title="Operation", description="XML to JSON, or JSON to XML.")
    field: FieldPath = Field(
        "body", title="Field", description="The field that holds the XML text (parse) or the object to write."
    )
    into: FieldPath = Field("data", title="Into", description="The field that takes the result.")
    attribute_prefix: str = Field(
        "@",
        title="Attribute prefix",
        description="Keys of attributes begin with it. The text beside them is #text.",
        pattern=r"^[@_$-]{1,3}$",
    )
    lists: list[str] = Field(
        [], title="Lists", description="Elements that are lists even if there is only one.", max_length=200
    )
    keep_white_space: bool = Field(False, title="Keep white space", description="Around texts (parse).")
    root: str | None = Field(
        None, title="Root", description="The element around the object (write); empty: its only key.", max_length=200
    )
    declaration: bool = Field(True, title="Declaration", description='Whether <?xml version="1.0"…?> comes first.')
    pretty: bool = Field(False, title="Pretty", description="A line for each element (write).")


class Xml(NodeType[XmlParameters]):
    type = "xml"
    label = "XML"
    description = "Makes JSON of XML or XML of JSON. Entities and external documents are refused."
    icon = "xml"
    category = "data"
    Parameters = XmlParameters
    computes = True

    def run(self, context: NodeContext[XmlParameters]) -> NodeResult:
        out = []
        for index, item in enumerate(context.items):
            if context.cancelled.is_set():
                raise NodeError("Cancelled.")
            parameters = context.parameters(index)
            if parameters.operation == "parse":
                source = text_at(item, parameters.field, "field", index, MAX_XML)
                result: Any = parse(source, parameters, index)
            else:
                result = write(read(item, parameters.field), parameters, index)
            out.append(with_value(item, parameters.into, result))
        return NodeResult({"main": out})


def parse(source: str, parameters: XmlParameters, index: int) -> dict[str, Any]:
    """Return an XML document as JSON. Raises NodeError naming the field."""
    try:
        _check(source)
        parsed: dict[str, Any] = xmltodict.parse(
            source.encode(),
            encoding="utf-8",
            attr_prefix=parameters.attribute_prefix,
            force_list=tuple(parameters.lists),
            strip_whitespace=not parameters.keep_white_space,
        )
    except (expat.ExpatError, ValueError) as error:
        raise NodeError(f"parameters.field: the XML cannot be read: {error} (item {index}).") from None
    return parsed


def write(value: Any, parameters: XmlParameters, index: int) -> str:
    """Return an object as an XML document. Raises NodeError naming the field."""
    if value is MISSING:
        raise NodeError(f"parameters.field: {parameters.field!r} is missing (item {index}).")
    document = {parameters.root: value} if parameters.root else value
    if not isinstance(document, dict) or len(document) != 1 or isinstance(next(iter(document.values())), list):
        raise NodeError(
            f"parameters.root: name the element around the value, which has not one key alone (item {index})."
        )
    try:
        _check_shape(document, parameters.attribute_prefix)
        written: str = xmltodict.unparse(
            document,
            attr_prefix=parameters.attribute_prefix,
            full_document=parameters.declaration,
            pretty=parameters.pretty,
        )
        _check(written)  # a name or character that XML does not know is found here
    except (expat.ExpatError, ValueError, RecursionError) as error:
        raise NodeError(f"parameters.field: cannot be written as XML: {error} (item {index}).") from None
    return written


def _check_shape(value: Any, attribute_prefix: str) -> None:
    """Raise ValueError for what has no place in XML: a list in a list, an object or a list as attribute or text."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key.startswith(attribute_prefix) or key == "#text":
            if isinstance(inner, dict | list):
                raise ValueError(f"{key[:100]!r} is no text")
            continue
        for element in inner if isinstance(inner, list) else [inner]:
            if isinstance(element, list):
                raise ValueError(f"{key[:100]!r} is a list of lists")
            _check_shape(element, attribute_prefix)


def _check(source: str) -> None:
    """Read a document without keeping anything of it. Raises ValueError for what is not allowed in it: document types,
    with which entities go, too much depth, size; ExpatError for what is no XML."""
    if len(source) > MAX_XML or source.count("<") > MAX_TAGS:
        raise ValueError(f"it has more than {MAX_XML} characters or {MAX_TAGS} tags")
    parser, depth = expat.ParserCreate("utf-8"), 0

    def start(name: str, attributes: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"its elements are nested more than {MAX_DEPTH} deep")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: Any) -> None:
        raise ValueError("document types (DOCTYPE) are refused, and entities with them")

    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    parser.Parse(source.encode(), True)

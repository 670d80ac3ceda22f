"""The text that a node parses: of a field, or of a file of the item."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from executions.domain.items import Item
from executions.nodes.base import NodeContext
from executions.nodes.file_access import text_of_file
from executions.nodes.paths import text_at

FileKey = Annotated[
    str,
    Field(
        title="File",
        description="The key of a file of the item ($binary), such as data, that is parsed instead of the field. Not an"
        " expression.",
        max_length=200,
    ),
]


def source_text(context: NodeContext[Any], item: Item, binary: str, field: str, index: int, limit: int) -> str:
    """Return the text of the file if its key is given, else of the field. Raises NodeError."""
    if binary:
        return text_of_file(context.files, item, binary, index, limit)
    return text_at(item, field, "field", index, limit)

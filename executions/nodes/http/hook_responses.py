"""The response to a webhook as a workflow defines it: status, headers, body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from executions.domain.errors import NodeError
from executions.domain.graph import strings_in
from executions.nodes.http.texts import Headers, text_of
from webhooks.inbound import response_headers
from workflow_platform.core.content.charsets import codec, split_content_type

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS = 50


class FixedResponse(BaseModel):
    """A response without expressions: there is no item to evaluate them on."""

    model_config = ConfigDict(extra="forbid")

    status: int = Field(200, title="Status", ge=200, le=599)
    headers: Headers = Field({}, title="Headers", max_length=MAX_HEADERS)
    body: Any = Field("", title="Body")

    @model_validator(mode="after")
    def _is_valid(self) -> FixedResponse:
        for _, problem in header_problems(self.headers):
            raise PydanticCustomError("header", "{problem}", {"problem": problem})
        if isinstance(self.body, str):
            try:
                encoded_text(self.body, self.headers)
            except NodeError as error:
                raise PydanticCustomError("charset", "{problem}", {"problem": str(error)}) from None
        for path, _ in strings_in(self.body, "body"):
            raise PydanticCustomError("expression", "{path}: expressions are not evaluated here.", {"path": path})
        return self


def header_problems(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, problem) for each header that a workflow may not set. The value of an expression is validated when
    it is resolved."""
    for name, value in headers.items():
        if value is None:
            continue
        text = text_of(value)
        if (problem := response_headers.problem(name, None if "{{" in text else text)) is not None:
            yield name, problem


def encoded_text(text: str, headers: Mapping[str, str]) -> bytes:
    """Return a text in the charset of the header Content-Type, by default UTF-8. Raises NodeError."""
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    _, charset = split_content_type(content_type)
    try:
        return text.encode(codec(charset) or "utf-8")
    except UnicodeEncodeError as error:
        raise NodeError(
            f"parameters.body: the charset {charset or 'utf-8'} of the Content-Type does not have the character"
            f" {text[error.start]!r}. Use charset=utf-8."
        ) from None

"""The response to a webhook as a workflow defines it: status, headers, body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from executions.domain.graph import strings_in
from executions.nodes.http.texts import Headers, text_of
from webhooks.inbound import response_headers

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
        for name, problem in header_problems(self.headers):
            raise PydanticCustomError("header", "{name}: {problem}", {"name": name[:100], "problem": problem})
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

"""Further pages of an answer: which request comes next, and when the last page is reached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urljoin

from django.conf import settings
from pydantic import Field
from requests.utils import parse_header_links

from executions.domain.errors import NodeError
from executions.domain.items import Item
from executions.nodes.base import Parameters
from executions.nodes.http.sending import NodeRequest, followed
from executions.nodes.paths import MISSING, FieldPath, read
from workflow_platform.core import outbound

MAX_PAGES = 1_000
Place = Literal["query", "body", "headers"]
Call = Callable[[NodeRequest], tuple[Item, int]]
"""Sends a request. Returns the answer as an item, and the size of its body."""
Rebuild = Callable[[Place, str, Any], NodeRequest]
"""Returns the node's request with a parameter set."""


class Pagination(Parameters):
    """How the pages of an answer follow each other."""

    mode: Literal["next_url", "link_header", "page", "cursor"] = Field(
        title="Mode",
        description="next_url: the answer has the next URL at `next`; link_header: in the header Link, rel=next; page:"
        " a number in `parameter` grows; cursor: `parameter` is what the answer has at `next`.",
    )
    next: FieldPath = Field(
        "body.next",
        title="Next",
        description="A path in the answer. If it is missing, empty, null, false or 0, the page is the last.",
    )
    parameter: str = Field("page", title="Parameter", min_length=1, max_length=200)
    place: Place = Field("query", title="Place of the parameter")
    start: int = Field(1, title="First number", ge=0, le=10**12)
    step: int = Field(1, title="Step", description="1 for page numbers, the page size for offsets.", ge=1, le=10**6)
    items: str = Field(
        "",
        title="Items",
        description="The path of the list in the answer, such as body.items. A page without elements is past the last."
        " By default the body.",
        max_length=500,
    )
    end_statuses: list[int] = Field(
        [], title="Statuses after the last page", description="Such as 404. They do not fail the node.", max_length=20
    )
    max_pages: int | None = Field(
        None,
        title="Most pages",
        description=f"Further pages are left out. By default more than {MAX_PAGES} pages are an error.",
        ge=1,
        le=MAX_PAGES,
    )
    interval_ms: float = Field(0, title="Pause", description="Milliseconds between pages.", ge=0, le=600_000)


@dataclass(frozen=True, slots=True)
class PageSequence:
    """The pages of one request of a node."""

    first: NodeRequest
    pagination: Pagination
    call: Call
    rebuild: Rebuild
    cancelled: threading.Event

    def all(self) -> Iterator[Item]:
        """Yield the answer of each page. Raises NodeError."""
        chosen, size = self.pagination, 0
        request: NodeRequest | None = self._numbered(0) if chosen.mode == "page" else self.first
        for number in range(1, (chosen.max_pages or MAX_PAGES) + 1):
            assert request is not None
            answer, added = self.call(request)
            if (size := size + added) > settings.NODE_OUTPUT_MAX_BYTES:
                limit = f"at most {settings.NODE_OUTPUT_MAX_BYTES} are allowed (NODE_OUTPUT_MAX_BYTES)"
                raise NodeError(f"parameters.pagination: the first {number} pages have {size} bytes; {limit}.")
            is_past = answer["status"] in chosen.end_statuses or (number > 1 and self._is_empty(answer))
            if is_past:
                return
            yield answer
            if (request := self._after(request, answer, number)) is None:
                return
            self._pause()
        if chosen.max_pages is None:
            raise NodeError(
                f"parameters.pagination: there are more than {MAX_PAGES} pages. Set max_pages to stop there."
            )

    def _after(self, request: NodeRequest, answer: Item, number: int) -> NodeRequest | None:
        """Return the request for the page after page `number`; None if there is none."""
        chosen = self.pagination
        if chosen.mode == "page":
            return None if self._is_empty(answer) else self._numbered(number)
        found = _link(answer["headers"]) if chosen.mode == "link_header" else read(answer, chosen.next)
        if found is MISSING or not found:
            return None
        if chosen.mode == "cursor":
            return _with_own_key(self.rebuild(chosen.place, chosen.parameter, found), number)
        if not isinstance(found, str):
            raise NodeError(
                f"parameters.pagination.next: {chosen.next} of page {number} must be a URL, not {found!s:.50}."
            )
        target = outbound.escaped(urljoin(request.url, found.strip()))
        if target == request.url and number > 1:
            raise NodeError(f"parameters.pagination: page {number} names itself as the next page.")
        return _with_own_key(followed(request, target, "next page"), number)

    def _numbered(self, number: int) -> NodeRequest:
        value = self.pagination.start + number * self.pagination.step
        return _with_own_key(self.rebuild(self.pagination.place, self.pagination.parameter, value), number)

    def _is_empty(self, answer: Item) -> bool:
        """Return whether a page has no elements."""
        path = self.pagination.items
        if not path:
            return answer["body"] in (None, "", [], {})
        return read(answer, path) in (MISSING, None, "", [], {})

    def _pause(self) -> None:
        if self.pagination.interval_ms:
            self.cancelled.wait(self.pagination.interval_ms / 1000)
        if self.cancelled.is_set():
            raise NodeError("Cancelled.")


def _link(headers: Mapping[str, Any]) -> str | None:
    """Return the target of the link to the next page (RFC 8288)."""
    given = headers.get("link", "")
    for value in given if isinstance(given, list) else [given]:
        for link in parse_header_links(value):
            if "next" in link.get("rel", "").lower().split():
                return link["url"]
    return None


def _with_own_key(request: NodeRequest, number: int) -> NodeRequest:
    """Return the request of a further page with an idempotency key of its own."""
    keyed = {name: f"{value}/{number}" for name, value in request.headers.items() if name.lower() == "idempotency-key"}
    return replace(request, headers=request.headers | keyed) if keyed and number else request

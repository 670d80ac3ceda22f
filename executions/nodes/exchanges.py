"""What a node run sent to other systems and received: for the record, redacted and bounded. Pure."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executions.domain.bounded import Bounds
from executions.domain.digests import digest_of
from executions.domain.redaction import Redaction
from workflow_platform.core import exact_json
from workflow_platform.core.content.charsets import all_without_nul, without_nul
from workflow_platform.core.secrets.secret_names import masked, masked_text

MAX_BODY = 4_000
"""The most characters of one body that are kept."""
MAX_HEADERS, MAX_HEADER = 50, 1_000
MAX_BYTES = 64 * 1024
"""The most bytes of JSON that are kept of one node run."""
_READ_BYTES = 4 * MAX_BODY
"""Secrets are replaced before the text is cut, so that no part of one is left at the end."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as the node made it, before a credential is added. The URL is one that may be shown."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    digest: str
    """The digest of all of it, with the whole body."""
    file_bytes: int = 0
    """The size of a body with files, which is read while it is sent and is not in `body`."""


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to a request."""

    status: int
    headers: Mapping[str, Any]
    body: bytes
    truncated: bool = False
    file_bytes: int = 0
    """The size of a body that went to the store of files and is not in `body`."""


@dataclass(frozen=True, slots=True)
class SentData:
    """A request that is not HTTP, such as a statement or a message, as JSON. Parts may be large, and hold secrets."""

    content: dict[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class ReceivedData:
    """The answer to such a request, as JSON."""

    content: dict[str, Any]


Request = Sent | SentData
Answer = Received | ReceivedData | str
"""What came back, or the error if nothing did."""


class Exchanges:
    """The exchanges of one node run: of each item those of its last attempt.

    The thread of the attempt adds, the actor reads.
    """

    def __init__(self) -> None:
        self._earlier: tuple[dict[str, Any], str] | None = None
        self._items: dict[int, _ItemExchanges] = {}
        self._size = 0
        self._lock = threading.Lock()

    def complete(self, earlier: dict[str, Any], digest: str, answers: Mapping[int, ReceivedData]) -> None:
        """Take the exchanges that were recorded before a wait, with the answers that have come since, by item."""
        entries = [
            entry | ({"answer": _data(answers[entry["item"]].content, Redaction())} if entry["item"] in answers else {})
            for entry in earlier["exchanges"]
        ]
        self._earlier = earlier | {"exchanges": entries}, digest

    def add(self, item: int, attempt: int, sent: Request, answer: Answer, redaction: Redaction) -> None:
        """Record what was sent for an item, and the answer, or the error if none came."""
        with self._lock:
            if (of_item := self._items.get(item)) is None or of_item.attempt != attempt:
                self._size -= of_item.size if of_item else 0
                of_item = self._items[item] = _ItemExchanges(attempt)
            of_item.digests.append(sent.digest)
            has_room = self._size < MAX_BYTES
        if not has_room:
            return
        entry = _entry(item, attempt, sent, answer, redaction)
        size = len(exact_json.write(entry))
        with self._lock:
            if self._size + size <= MAX_BYTES:
                of_item.kept.append(entry)
                of_item.size += size
                self._size += size

    def request_digest(self) -> str:
        """Return the digest of the requests of all items; empty if there were none."""
        with self._lock:
            if self._earlier is not None and not self._items:
                return self._earlier[1]
            requests = [[item, *self._items[item].digests] for item in sorted(self._items)]
        return digest_of(requests) if requests else ""

    def data(self) -> dict[str, Any] | None:
        """Return the exchanges as JSON: how many there were, and those that are kept. None if there were none."""
        with self._lock:
            items = [self._items[item] for item in sorted(self._items)]
            if not items:
                return self._earlier[0] if self._earlier is not None else None
            count = sum(len(each.digests) for each in items)
            return {"count": count, "exchanges": [entry for each in items for entry in each.kept]}


@dataclass(slots=True)
class _ItemExchanges:
    attempt: int
    digests: list[str] = field(default_factory=list)
    """Of every request, also of those that are not kept."""
    kept: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0


def shown(exchange: dict[str, Any] | None, keyed: Any) -> dict[str, Any] | None:
    """Return exchanges with their digests as they may be shown: `keyed` makes that of one."""
    if exchange is None:
        return None
    entries = [entry | {"digest": keyed(entry["digest"])} for entry in exchange["exchanges"]]
    return exchange | {"exchanges": entries}


def _entry(item: int, attempt: int, sent: Request, answer: Answer, redaction: Redaction) -> dict[str, Any]:
    entry: dict[str, Any] = {"item": item, "attempt": attempt, "digest": sent.digest}
    if isinstance(sent, SentData):
        entry["request"] = _data(sent.content, redaction)
    else:
        request = {"method": sent.method, "url": sent.url, "headers": shown_headers(sent.headers)}
        entry["request"] = request | _body(sent.body, sent.file_bytes, redaction)
    if isinstance(answer, str):
        entry["error"] = without_nul(masked_text(answer[:MAX_BODY]))
    elif isinstance(answer, ReceivedData):
        entry["answer"] = _data(answer.content, redaction)
    else:
        body = _body(answer.body, answer.file_bytes, redaction)
        body["truncated"] = body["truncated"] or answer.truncated
        entry["answer"] = {"status": answer.status, "headers": shown_headers(answer.headers)} | body
    return exact_json.normal(redaction.value(entry))  # type: ignore[no-any-return]


def _data(content: dict[str, Any], redaction: Redaction) -> dict[str, Any]:
    """Return JSON without secrets and cut to size; `truncated` says whether something was left out."""
    read = Bounds(2 * _READ_BYTES, _READ_BYTES)
    kept = redaction.value(masked(all_without_nul(read.of(content))))
    bounds = Bounds(2 * MAX_BODY, MAX_BODY)
    shown: dict[str, Any] = bounds.of(kept)
    return shown | {"truncated": read.cut or bounds.cut}


def shown_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return headers with secrets masked by name, and bounded."""
    chosen = list(headers.items())[:MAX_HEADERS]
    return masked({name[:200]: _line(value) for name, value in chosen})  # type: ignore[no-any-return]


def _line(value: Any) -> Any:
    if isinstance(value, list):
        return [_line(each) for each in value[:MAX_HEADERS]]
    return without_nul(str(value)[:MAX_HEADER])


def _body(body: bytes | None, file_bytes: int, redaction: Redaction) -> dict[str, Any]:
    """Return a body as text; null if there is none, or if it is a file or not text."""
    size = len(body or b"") + file_bytes
    not_shown = {"body": None, "bytes": size, "truncated": size > 0}
    if not body or b"\0" in body[:_READ_BYTES]:
        return not_shown
    try:
        text = body[:_READ_BYTES].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(body), _READ_BYTES) - 3:
            return not_shown
        text = body[: error.start].decode()
    text = masked_text(redaction.text(text))
    return {"body": text[:MAX_BODY], "bytes": size, "truncated": len(text) > MAX_BODY or len(body) > _READ_BYTES}

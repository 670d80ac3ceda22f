"""Validation of endpoints and ad-hoc deliveries. Each check raises InvalidValue with a message for people."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit
from uuid import UUID

from events.catalogue.event_types import CATALOGUE, PERSONAL, UnknownEventType
from events.catalogue.stream_names import WORKFLOW
from events.history.event_filter import matching_types
from events.log import reading
from workflow_platform.core import outbound
from workflow_platform.core.sandbox.checking import CheckFailed, Checks

MOST_PATTERNS = 50
MOST_HEADERS, LONGEST_HEADER = 30, 4_096
DELIVERED = tuple(
    name for name in CATALOGUE
    if not name.startswith("system.") and name not in PERSONAL and name != "workflow.hook_tested"
)  # fmt: skip
"""The event types that endpoints can subscribe to: all but those of the installation, of users and of test requests."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_PLATFORM_HEADERS = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_checks = Checks("webhooks.transforms:check", "The syntax check")


class InvalidValue(ValueError):
    """A value is invalid; the message says why and what to do."""


def check_url(url: str) -> None:
    """Raise InvalidValue for a URL that outbound requests may not call.

    A name that does not resolve is accepted: the receiver may be set up later, and every attempt checks the address.
    """
    try:
        outbound.check_url(url)
    except outbound.OutboundRefused as error:
        raise InvalidValue(str(error)) from None
    except outbound.OutboundFailed:
        pass


def host_of(url: str) -> str:
    """Return the host of a URL, as a default name."""
    return (urlsplit(url).hostname or url)[:200]


def check_event_types(patterns: Collection[str]) -> None:
    """Raise InvalidValue for a pattern that matches no event type, or none that is delivered."""
    for pattern in patterns:
        try:
            types = matching_types([pattern])
        except UnknownEventType as error:
            raise InvalidValue(str(error)) from None
        if types.isdisjoint(DELIVERED):
            raise InvalidValue(f"{pattern!r} matches only events that are not delivered to endpoints. Remove it.")


def check_workflow(workflow_id: UUID, workspace_id: UUID) -> None:
    """Raise InvalidValue for a workflow that the workspace does not have."""
    name = f"{WORKFLOW}{workflow_id}"
    state = reading.states([name]).get(name)
    if state is None or state.workspace_id != workspace_id:
        raise InvalidValue("The workspace has no workflow with this id.")


def check_headers(headers: Mapping[str, str | None], reserved: Collection[str] = ()) -> None:
    """Raise InvalidValue for headers that the platform sets, and for invalid ones. Messages never contain a value."""
    if len(headers) > MOST_HEADERS:
        raise InvalidValue(f"There are {len(headers)} headers; at most {MOST_HEADERS} are allowed.")
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidValue("A header occurs twice. Names of headers are case-insensitive; remove one.")
    for name, value in headers.items():
        low = name.lower()
        if low in _PLATFORM_HEADERS or low in reserved or low.startswith("webhook-"):
            raise InvalidValue(f"The platform sets the header {name[:60]}. Remove it.")
        if not _TOKEN.fullmatch(name):
            raise InvalidValue(
                f"{name[:60]!r} is not a valid header name. Use letters, digits and !#$%&'*+-.^_`|~, at most 100."
            )
        if value is not None and (len(value) > LONGEST_HEADER or not _VALUE.fullmatch(value)):
            raise InvalidValue(
                f"The value of the header {name} must be Latin-1 text without control characters, at most"
                f" {LONGEST_HEADER} characters."
            )


def check_filter(source: str, group: str) -> None:
    """Raise InvalidValue for a filter that is not an expression. Raises Unavailable.

    `group` is the workspace or user on whose behalf the sandbox checks.
    """
    _parsed("filter", source, group)


def check_transform(source: str, group: str) -> None:
    """Raise InvalidValue for a transformation that is not a function body. Otherwise as `check_filter`."""
    _parsed("transform", source, group)


def _parsed(kind: str, source: str, group: str) -> None:
    if not source.strip():
        return
    try:
        why = _checks.verdicts([(kind, source)], group)[kind, source]
    except CheckFailed as error:
        raise InvalidValue(str(error)) from None
    if why is not None:
        raise InvalidValue(f"The script has a syntax error: {why}")

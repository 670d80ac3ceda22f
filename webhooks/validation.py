"""What endpoints and ad-hoc deliveries may be made of. Each check raises Refused with a sentence for people."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit
from uuid import UUID

from events.catalogue.stream_names import WORKFLOW

from events.catalogue.event_types import CATALOGUE, UnknownEventType
from events.history.event_filter import matching_types
from events.log import reading
from workflow_platform.core import outbound
from workflow_platform.core.sandbox.checking import CheckFailed, Checks

MOST_PATTERNS = 50
MOST_HEADERS, LONGEST_HEADER = 30, 4_096
DELIVERED = tuple(name for name in CATALOGUE if not name.startswith("system.") and name != "workflow.hook_tested")
"""The types of which endpoints hear: not those of the installation, nor what shows test requests to those who build."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_OURS = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_checks = Checks("webhooks.transforms:check", "The syntax check")


class Refused(ValueError):
    """What was given cannot be taken; the message says why."""


def check_url(url: str) -> None:
    """Refuse what may not be called.

    A name that does not resolve now is let through: the receiver may be set up later, or the name server be away, and
    what it leads to is checked again at every attempt anyway.
    """
    try:
        outbound.check_url(url)
    except outbound.OutboundRefused as error:
        raise Refused(str(error)) from None
    except outbound.OutboundFailed:
        pass


def host_of(url: str) -> str:
    """Return the host, for a name where none is given."""
    return (urlsplit(url).hostname or url)[:200]


def check_event_types(patterns: Collection[str]) -> None:
    """Refuse a pattern that no event fits, or only events that are never delivered."""
    for pattern in patterns:
        try:
            found = matching_types([pattern])
        except UnknownEventType as error:
            raise Refused(str(error)) from None
        if found.isdisjoint(DELIVERED):
            raise Refused(f"{pattern!r} fits only events that are not delivered.")


def check_workflow(workflow_id: UUID, workspace_id: UUID) -> None:
    """Refuse a workflow that the workspace does not have."""
    name = f"{WORKFLOW}{workflow_id}"
    state = reading.states([name]).get(name)
    if state is None or state.workspace_id != workspace_id:
        raise Refused("The workspace has no such workflow.")


def check_headers(headers: Mapping[str, str | None], reserved: Collection[str] = ()) -> None:
    """Refuse what is the platform's to say, and what HTTP does not allow. Never says a value."""
    if len(headers) > MOST_HEADERS:
        raise Refused(f"At most {MOST_HEADERS} headers are sent.")
    if len({name.lower() for name in headers}) < len(headers):
        raise Refused("A header is there twice: upper and lower case do not make a difference.")
    for name, value in headers.items():
        low = name.lower()
        if low in _OURS or low in reserved or low.startswith("webhook-"):
            raise Refused(f"{name[:60]} is set by the platform.")
        if not _TOKEN.fullmatch(name):
            raise Refused(f"{name[:60]!r} cannot be the name of a header.")
        if value is not None and (len(value) > LONGEST_HEADER or not _VALUE.fullmatch(value)):
            raise Refused(f"The value of {name} is too long, or holds a character that HTTP does not allow.")


def check_filter(source: str, group: str) -> None:
    """Refuse what is no expression. `group` is the workspace, or the user, who asks. Raises Unavailable, too."""
    _parsed("filter", source, group)


def check_transform(source: str, group: str) -> None:
    """Refuse what is no body of a function. `group` and what it raises as for `check_filter`."""
    _parsed("transform", source, group)


def _parsed(kind: str, source: str, group: str) -> None:
    if not source.strip():
        return
    try:
        why = _checks.verdicts([(kind, source)], group)[kind, source]
    except CheckFailed as error:
        raise Refused(str(error)) from None
    if why is not None:
        raise Refused(f"It does not parse: {why}")

"""The one place that sends deliveries: signed, authenticated, guarded by `workflow_platform.core.outbound`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urljoin, urlsplit, urlunsplit
from uuid import UUID

from django.conf import settings

from webhooks import signing
from webhooks.secrets import BasicAuth, BearerAuth, HeaderAuth, HmacAuth, QueryAuth, Secrets
from webhooks.sending.message import Claimed
from workflow_platform.core import outbound
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused, OutboundResponse, Timings
from workflow_platform.core.outbound.addresses import MASK, shown_url
from workflow_platform.core.secrets.encryption import CannotDecrypt

MOST_REDIRECTS = 3
SHORTEST_SECRET = 4
"""What is shorter is not looked for in what is logged: it would be found in everything."""
MOST_HEADERS_LOGGED = 100
LONGEST_HEADER_LOGGED = 2_000
_URL = re.compile(r"https?://[^\s\"'<>]+")
_FOLLOWED = frozenset({301, 302, 307, 308})
_ALWAYS_MASKED = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


@dataclass(slots=True)
class Attempt:
    """What was sent and what came of it, as it may be logged: no secret is in it."""

    started_at: datetime
    url: str
    id: UUID = field(default_factory=uuid7)
    request_headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""
    response_truncated: bool = False
    error_class: str = ""
    error: str = ""
    timings: Timings = field(default_factory=Timings)

    def strip(self) -> None:
        """Take out all that is not of our own making."""
        self.request_headers, self.response_headers = {}, {}
        self.url = self.response_body = self.error = ""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(claimed: Claimed, cancelled: threading.Event | None = None) -> Attempt:
    """Make one attempt. Never raises for what the receiver or the network does, nor for what is configured wrongly."""
    attempt = Attempt(datetime.now(UTC), shown_url(claimed.target))
    try:
        secrets = claimed.secrets()
        body = claimed.body.encode()
        url, headers = _request(claimed, secrets, attempt.started_at, body)
    except (CannotDecrypt, signing.BadSecret) as error:
        attempt.error_class, attempt.error = "refused", str(error)
        return attempt
    names = _secret_names(secrets)
    hidden = _hidden([*secrets.masked(), *(value for name, value in headers.items() if name.lower() in names)])
    attempt.request_headers = _shown(headers, names, hidden)
    try:
        answer = _sent(claimed, url, headers, body, cancelled)
    except OutboundRefused as error:
        attempt.error_class, attempt.error = "refused", _without(str(error), hidden)
    except OutboundFailed as error:
        attempt.error_class, attempt.timings = error.error_class, error.timings
        attempt.error = _without(_URL.sub(lambda found: shown_url(found[0]), str(error)), hidden)
    else:
        _note_answer(attempt, answer, hidden)
    return attempt


def _note_answer(attempt: Attempt, answer: OutboundResponse, hidden: list[str]) -> None:
    attempt.status, attempt.timings = answer.status, answer.timings
    attempt.response_headers = _shown(answer.headers, set(), hidden)
    attempt.response_body = _without(answer.body.decode(errors="replace").replace("\0", "�"), hidden)
    attempt.response_truncated = answer.truncated
    if not attempt.succeeded:
        attempt.error_class, attempt.error = "status", f"The receiver answered {answer.status}."


def _request(claimed: Claimed, secrets: Secrets, moment: datetime, body: bytes) -> tuple[str, dict[str, str]]:
    """Return URL and headers. What is the platform's own comes last: nothing that is configured stands in for it."""
    headers = {"User-Agent": "workflow-platform-webhooks", **secrets.headers, **claimed.further_headers}
    if body:
        headers = _with(headers, "Content-Type", claimed.content_type, keep=True)
    url, auth = secrets.url or claimed.target, secrets.auth
    if isinstance(auth, BearerAuth):
        headers = _with(headers, "Authorization", f"Bearer {auth.token}")
    elif isinstance(auth, BasicAuth):
        pair = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
        headers = _with(headers, "Authorization", f"Basic {pair}")
    elif isinstance(auth, HeaderAuth):
        headers = _with(headers, auth.name, auth.value)
    elif isinstance(auth, HmacAuth):
        digest = hmac.new(auth.secret.encode(), body, getattr(hashlib, auth.algorithm)).hexdigest()
        headers = _with(headers, auth.header, auth.prefix + digest)
    elif isinstance(auth, QueryAuth):
        url = _with_parameter(url, auth.name, auth.value)
    headers = _with(headers, signing.ID, claimed.message_id)
    headers = _with(headers, signing.TIMESTAMP, str(int(moment.timestamp())))
    if signers := [each.secret for each in secrets.signing_at(moment)]:
        signature = signing.sign(signers, claimed.message_id, int(moment.timestamp()), body)
        headers = _with(headers, signing.SIGNATURE, signature)
    return url, headers


def _with(headers: dict[str, str], name: str, value: str, keep: bool = False) -> dict[str, str]:
    """Return the headers with this one, in the place of whatever has its name, or not if there is one to `keep`."""
    same = [each for each in headers if each.lower() == name.lower()]
    if same and keep:
        return headers
    return {each: headers[each] for each in headers if each not in same} | {name: value}


def _with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({name: value})]))
    return urlunsplit(parts._replace(query=query))


def _sent(
    claimed: Claimed, url: str, headers: dict[str, str], body: bytes, cancelled: threading.Event | None
) -> OutboundResponse:
    """Send, and follow redirects if the endpoint says so; all hops share the deadline."""
    until = time.monotonic() + claimed.timeout_seconds
    for hop in range(MOST_REDIRECTS + 1):
        answer = outbound.send(
            claimed.verb,
            url,
            headers=headers,
            body=body or None,
            timeout_seconds=max(0.001, until - time.monotonic()),
            max_body_bytes=settings.WEBHOOK_RESPONSE_MAX_BYTES,
            cut_body=True,
            cancelled=cancelled,
            repeatable=True,  # the same webhook-id: a receiver can tell
        )
        location = answer.headers.get("location", "")
        if not claimed.receiver.follow_redirects or answer.status not in _FOLLOWED or not location:
            break
        if hop == MOST_REDIRECTS:
            raise OutboundFailed(f"More than {MOST_REDIRECTS} redirects.")
        target = urljoin(url, location)
        if urlsplit(url).scheme == "https" != urlsplit(target).scheme:
            raise OutboundRefused("A redirect leads from https to http.")
        if _origin(target) != _origin(url):
            headers = _for_strangers(headers)
        url = target
    return answer


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _for_strangers(headers: dict[str, str]) -> dict[str, str]:
    """Return what another host than the configured one may see: nothing that is sealed, and the signature."""
    open_ones = {"content-type", "user-agent", signing.ID, signing.TIMESTAMP, signing.SIGNATURE}
    return {name: value for name, value in headers.items() if name.lower() in open_ones}


# --- what is logged ---------------------------------------------------------------------------------------------------


def _hidden(secrets: list[str]) -> list[str]:
    """Return what is taken out of all that is logged: each secret, plain and as it stands in a URL."""
    found = [each for each in secrets if len(each) >= SHORTEST_SECRET]
    return sorted({*found, *map(quote, found), *map(quote_plus, found)}, key=len, reverse=True)


def _secret_names(secrets: Secrets) -> set[str]:
    auth: Any = secrets.auth
    names = {name.lower() for name in secrets.headers}
    return names | {str(getattr(auth, name)).lower() for name in ("name", "header") if getattr(auth, name, "")}


def _shown(headers: dict[str, str], secret_names: set[str], hidden: list[str]) -> dict[str, str]:
    masked = secret_names | _ALWAYS_MASKED
    return {
        _plain(name): MASK if name.lower() in masked else _without(_plain(value), hidden)[:LONGEST_HEADER_LOGGED]
        for name, value in list(headers.items())[:MOST_HEADERS_LOGGED]
    }


def _without(text: str, hidden: list[str]) -> str:
    for secret in hidden:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def _plain(text: str) -> str:
    return text.replace("\0", "�").encode(errors="replace").decode()

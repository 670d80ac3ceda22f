"""Sends deliveries: signed, authenticated, and through the checks of `workflow_platform.core.outbound`."""

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
from webhooks.secrets import BasicAuth, BearerAuth, HeaderAuth, HmacAuth, QueryAuth, SealedSecrets
from webhooks.sending import collector
from webhooks.sending.claimed_delivery import ClaimedDelivery
from workflow_platform.core import outbound
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused, OutboundResponse, Timings
from workflow_platform.core.outbound.addresses import MASK, shown_url
from workflow_platform.core.secrets.encryption import CannotDecrypt
from workflow_platform.core.telemetry.protobuf import ProtobufMissing
from workflow_platform.core.telemetry.trace_context import HEADER as TRACEPARENT

MOST_REDIRECTS = 3
SHORTEST_SECRET = 4
"""Shorter secrets are not redacted from logged texts: they would match almost everything."""
MOST_HEADERS_LOGGED = 100
LONGEST_HEADER_LOGGED = 2_000
_URL = re.compile(r"https?://[^\s\"'<>]+")
_FOLLOWED = frozenset({301, 302, 307, 308})
_ALWAYS_MASKED = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


@dataclass(slots=True)
class AttemptResult:
    """The request and its result, as they may be logged: without secrets."""

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
        """Remove everything that the receiver or the network contributed."""
        self.request_headers, self.response_headers = {}, {}
        self.url = self.response_body = self.error = ""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(claimed: ClaimedDelivery, cancelled: threading.Event | None = None) -> AttemptResult:
    """Make one attempt. Errors of the receiver, the network or the configuration are results, not exceptions."""
    attempt = AttemptResult(datetime.now(UTC), shown_url(claimed.target))
    try:
        secrets = collector.address(claimed) if collector.is_for_collector(claimed) else claimed.secrets()
        attempt.url = shown_url(secrets.url or claimed.target)
        body = collector.encoded(claimed)
        url, headers = _request(claimed, secrets, attempt.started_at, body)
    except (CannotDecrypt, signing.BadSecret, ProtobufMissing) as error:
        attempt.error_class, attempt.error = "refused", str(error)
        return attempt
    names = _secret_names(secrets)
    spellings = _secret_spellings(
        [*secrets.masked(), *(value for name, value in headers.items() if name.lower() in names)]
    )
    attempt.request_headers = _redacted_headers(headers, names, spellings)
    try:
        answer = _sent(claimed, url, headers, body, cancelled)
    except OutboundRefused as error:
        attempt.error_class, attempt.error = "refused", _redact(str(error), spellings)
    except OutboundFailed as error:
        attempt.error_class, attempt.timings = error.error_class, error.timings
        attempt.error = _redact(_URL.sub(lambda match: shown_url(match[0]), str(error)), spellings)
    else:
        _note_answer(attempt, answer, spellings)
        if collector.is_for_collector(claimed):
            collector.note_answer(answer)
    return attempt


def _note_answer(attempt: AttemptResult, answer: OutboundResponse, spellings: list[str]) -> None:
    attempt.status, attempt.timings = answer.status, answer.timings
    attempt.response_headers = _redacted_headers(answer.headers, set(), spellings)
    attempt.response_body = _redact(answer.body.decode(errors="replace").replace("\0", "�"), spellings)
    attempt.response_truncated = answer.truncated
    if not attempt.succeeded:
        attempt.error_class, attempt.error = "status", f"The receiver responded with {answer.status}."


def _request(
    claimed: ClaimedDelivery, secrets: SealedSecrets, moment: datetime, body: bytes
) -> tuple[str, dict[str, str]]:
    """Return URL and headers. The platform's own headers come last, so that configured ones cannot replace them."""
    headers = {"User-Agent": "workflow-platform-webhooks", **secrets.headers, **claimed.further_headers}
    if body:
        headers = _with(headers, "Content-Type", claimed.content_type, keep=True)
    if claimed.traceparent:
        headers = _with(headers, TRACEPARENT, claimed.traceparent, keep=True)
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
    """Return the headers with this one added or replaced; with `keep`, an existing one stays."""
    same = [each for each in headers if each.lower() == name.lower()]
    if same and keep:
        return headers
    return {each: headers[each] for each in headers if each not in same} | {name: value}


def _with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({name: value})]))
    return urlunsplit(parts._replace(query=query))


def _sent(
    claimed: ClaimedDelivery, url: str, headers: dict[str, str], body: bytes, cancelled: threading.Event | None
) -> OutboundResponse:
    """Send the request, and follow redirects if the endpoint allows it. All hops share one deadline."""
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
            repeatable=True,  # the receiver recognises a repeated webhook-id
            configured=collector.is_for_collector(claimed),
        )
        location = answer.headers.get("location", "")
        if not claimed.receiver.follow_redirects or answer.status not in _FOLLOWED or not location:
            break
        if hop == MOST_REDIRECTS:
            raise OutboundFailed(f"The receiver redirected more than {MOST_REDIRECTS} times, the limit.")
        target = urljoin(url, location)
        if urlsplit(url).scheme == "https" != urlsplit(target).scheme:
            raise OutboundRefused("The receiver redirected from https to http, which is not followed.")
        if _origin(target) != _origin(url):
            headers = _for_other_origins(headers)
        url = target
    return answer


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _for_other_origins(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers that another origin may receive: the signature, and nothing sealed."""
    allowed = {"content-type", "user-agent", signing.ID, signing.TIMESTAMP, signing.SIGNATURE}
    return {name: value for name, value in headers.items() if name.lower() in allowed}


# --- what is logged ---------------------------------------------------------------------------------------------------


def _secret_spellings(secrets: list[str]) -> list[str]:
    """Return the texts to redact: each secret, plain and URL-encoded, the longest first."""
    long = [each for each in secrets if len(each) >= SHORTEST_SECRET]
    return sorted({*long, *map(quote, long), *map(quote_plus, long)}, key=len, reverse=True)


def _secret_names(secrets: SealedSecrets) -> set[str]:
    auth: Any = secrets.auth
    names = {name.lower() for name in secrets.headers}
    return names | {str(getattr(auth, name)).lower() for name in ("name", "header") if getattr(auth, name, "")}


def _redacted_headers(headers: dict[str, str], secret_names: set[str], spellings: list[str]) -> dict[str, str]:
    masked = secret_names | _ALWAYS_MASKED
    return {
        _printable(name): MASK
        if name.lower() in masked
        else _redact(_printable(value), spellings)[:LONGEST_HEADER_LOGGED]
        for name, value in list(headers.items())[:MOST_HEADERS_LOGGED]
    }


def _redact(text: str, spellings: list[str]) -> str:
    for secret in spellings:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def _printable(text: str) -> str:
    return text.replace("\0", "�").encode(errors="replace").decode()

"""Verifies that a request comes from its claimed sender. Pure: takes bytes, headers and secrets, returns a message id.

Secrets are compared in constant time. The reason of a failure is for the log; the caller gets a shorter answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhooks import signing
from webhooks.inbound import schemes
from webhooks.inbound.schemes import Scheme
from workflow_platform.core import exact_json

MAX_ID = 200
MAX_SIGNATURES = 20
"""Further signatures in one header are ignored."""
_MILLISECONDS = 10**11
"""A larger timestamp is in milliseconds."""


class AuthenticationFailed(Exception):
    """The request could not be authenticated; the message is the reason for the log."""

    def __init__(self, reason: str, challenge: str = "") -> None:
        """`challenge`: the value of WWW-Authenticate where there is one."""
        super().__init__(reason)
        self.challenge = challenge


class UnusableSecret(Exception):
    """The credential has no secret for this scheme."""


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """An authenticated request."""

    message_id: str = ""
    """Identifies the message for deduplication; empty if the scheme has no id."""
    answer: dict[str, Any] | None = None
    """If set, the caller gets this answer and no workflow starts."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request to verify: header names in lower case, and the raw body."""

    headers: Mapping[str, str]
    body: bytes
    now: float
    """Seconds since 1970."""
    pieces: Callable[[], Iterable[bytes]] | None = None
    """The body piece by piece, if it is not in memory; `body` is then empty."""

    def digest(self, secret: str, before: bytes, algorithm: str) -> bytes:
        """Return the HMAC of `before` and the body."""
        made = hmac.new(secret.encode(), before, algorithm)
        for piece in [self.body] if self.pieces is None else self.pieces():
            made.update(piece)
        return made.digest()

    def need(self, name: str) -> str:
        """Return the value of a header. Raises AuthenticationFailed if it is missing."""
        value = self.headers.get(name.lower(), "").strip()
        if not value:
            raise AuthenticationFailed(f"The header {name} is missing.")
        return value


Secrets = Sequence[Mapping[str, str]]
"""The fields of the accepted credentials."""


def verify(scheme: Scheme, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    """Verify a request. Raises AuthenticationFailed, UnusableSecret."""
    if isinstance(scheme, schemes.Open):
        return VerifiedRequest()
    if not secrets:
        raise UnusableSecret("The trigger has no credential.")
    return _CHECKS[scheme.type](scheme, secrets, request)


def authenticating_headers(scheme: Scheme, secrets: Secrets) -> set[str]:
    """Return the names, in lower case, of the headers that authenticate the caller. Workflows do not see them."""
    if isinstance(scheme, schemes.Header):
        return {fields["name"].lower() for fields in secrets}
    if isinstance(scheme, schemes.Hmac):
        return {scheme.header.lower()}
    return _AUTHENTICATING.get(scheme.type, set())


_AUTHENTICATING = {
    "standard_webhooks": {"webhook-signature", "svix-signature"},
    "github": {"x-hub-signature", "x-hub-signature-256"},
    "stripe": {"stripe-signature"},
    "slack": {"x-slack-signature"},
}


# --- secrets that are sent -------------------------------------------------------------------------------------------


def _basic(scheme: schemes.Basic, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    challenge = 'Basic realm="webhook", charset="UTF-8"'
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        raise AuthenticationFailed("The header Authorization with username and password is missing.", challenge)
    try:
        credentials = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise AuthenticationFailed("The Authorization header is not valid Base64 after Basic.", challenge) from None
    if not _any(credentials, (f"{each['username']}:{each['password']}".encode() for each in secrets)):
        raise AuthenticationFailed("The username or password is wrong.", challenge)
    return _known_by(scheme.id_header, request)


def _bearer(scheme: schemes.Bearer, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise AuthenticationFailed("The header Authorization with a bearer token is missing.", "Bearer")
    if not _any(_raw(value.strip()), (_raw(each["token"]) for each in secrets)):
        raise AuthenticationFailed("The bearer token is wrong.", 'Bearer error="invalid_token"')
    return _known_by(scheme.id_header, request)


def _header(scheme: schemes.Header, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    expected = [(each["name"], _raw(each["value"])) for each in secrets]
    present = [name for name, _ in expected if name.lower() in request.headers]
    if not present:
        raise AuthenticationFailed(f"The header {' or '.join(dict.fromkeys(name for name, _ in expected))} is missing.")
    right = [
        hmac.compare_digest(_raw(request.headers.get(name.lower(), "").strip()), value) for name, value in expected
    ]
    if not any(right):
        raise AuthenticationFailed(f"The value of the header {present[0]} is wrong.")
    return _known_by(scheme.id_header, request)


def _known_by(id_header: str, request: SignedRequest) -> VerifiedRequest:
    return VerifiedRequest(_shortened(request.need(id_header)) if id_header else "")


# --- signatures ------------------------------------------------------------------------------------------------------


def _standard_webhooks(scheme: schemes.StandardWebhooks, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    headers = request.headers
    if "svix-signature" in headers and "webhook-signature" not in headers:
        # Svix sends the headers of the standard under its own prefix.
        headers = {name: headers.get(f"svix{name.removeprefix('webhook')}", "") for name in _STANDARD}
    try:
        # _check_age checks the timestamp below, with a more precise message.
        message_id = signing.verify(_signing(secrets), headers, request.body, tolerance_seconds=math.inf)
    except signing.BadSignature as error:
        raise AuthenticationFailed(str(error)) from None
    except signing.BadSecret as error:
        raise UnusableSecret(str(error)) from None
    _check_age(headers[signing.TIMESTAMP], scheme.tolerance_seconds, request.now)
    return VerifiedRequest(_shortened(message_id))


_STANDARD = (signing.ID, signing.TIMESTAMP, signing.SIGNATURE)


def _github(scheme: schemes.GitHub, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    signature = request.need("X-Hub-Signature-256")
    if not _any(_raw(signature), (b"sha256=" + _hex(secret, request.body) for secret in _signing(secrets))):
        raise AuthenticationFailed(signing.NO_MATCH)
    return VerifiedRequest(_shortened(request.headers.get("x-github-delivery", "").strip()))


def _stripe(scheme: schemes.Stripe, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    parts = [part.strip().partition("=") for part in request.need("Stripe-Signature").split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    signatures = [value for name, _, value in parts if name == "v1"][:MAX_SIGNATURES]
    if not timestamp or not signatures:
        raise AuthenticationFailed("The header Stripe-Signature has no timestamp (t) or no signature (v1).")
    content = _raw(f"{timestamp}.") + request.body
    if not _any_of(_among(_hex(secret, content), signatures) for secret in _signing(secrets)):
        raise AuthenticationFailed(signing.NO_MATCH)
    _check_age(timestamp, scheme.tolerance_seconds, request.now)
    return VerifiedRequest(_shortened(_text_in(request.body, "id")))


def _slack(scheme: schemes.Slack, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    timestamp, signature = request.need("X-Slack-Request-Timestamp"), request.need("X-Slack-Signature")
    content = _raw(f"v0:{timestamp}:") + request.body
    if not _any(_raw(signature), (b"v0=" + _hex(secret, content) for secret in _signing(secrets))):
        raise AuthenticationFailed(signing.NO_MATCH)
    _check_age(timestamp, scheme.tolerance_seconds, request.now)
    if _text_in(request.body, "type") == "url_verification":
        return VerifiedRequest(answer={"challenge": _text_in(request.body, "challenge")})
    return VerifiedRequest(_shortened(_text_in(request.body, "event_id")))


def _hmac(scheme: schemes.Hmac, secrets: Secrets, request: SignedRequest) -> VerifiedRequest:
    header = request.need(scheme.header)
    timestamp = request.need(scheme.timestamp_header) if scheme.timestamp_header else ""
    before = _raw(timestamp) + scheme.separator.encode() if timestamp else b""
    if not header.startswith(scheme.prefix):
        raise AuthenticationFailed(f"The header {scheme.header} does not begin with {scheme.prefix!r}.")
    signature = header.removeprefix(scheme.prefix).strip()
    digests = [request.digest(secret, before, scheme.algorithm) for secret in _signing(secrets)]
    if scheme.encoding == "hex":
        right = _any(_raw(signature.lower()), (digest.hex().encode() for digest in digests))
    else:
        right = _any(_raw(signature.rstrip("=")), (base64.b64encode(digest).rstrip(b"=") for digest in digests))
    if not right:
        raise AuthenticationFailed(signing.NO_MATCH)
    if timestamp:
        _check_age(timestamp, scheme.tolerance_seconds, request.now)
    return _known_by(scheme.id_header, request)


_CHECKS: dict[str, Callable[[Any, Secrets, SignedRequest], VerifiedRequest]] = {
    "basic": _basic,
    "bearer": _bearer,
    "header": _header,
    "standard_webhooks": _standard_webhooks,
    "github": _github,
    "stripe": _stripe,
    "slack": _slack,
    "hmac": _hmac,
}


def _signing(secrets: Secrets) -> Iterator[str]:
    """Yield the secrets that may have signed: the current and the previous one of each credential."""
    for fields in secrets:
        yield fields["secret"]
        if fields.get("previous"):
            yield fields["previous"]


def _check_age(timestamp: str, tolerance: int, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise AuthenticationFailed("The timestamp is not a number of seconds or milliseconds since 1970.")
    seconds = int(timestamp) / 1000 if int(timestamp) >= _MILLISECONDS else int(timestamp)
    age = now - seconds
    if age > tolerance:
        raise AuthenticationFailed(f"The request is {age:.0f} s old; {tolerance} s are allowed.")
    if age < -tolerance:
        raise AuthenticationFailed(
            f"The request's timestamp lies {-age:.0f} s in the future; {tolerance} s are allowed."
        )


def _any(received: bytes, expected: Iterator[bytes]) -> bool:
    """Return whether a value is expected, comparing with all expected ones."""
    return _any_of(hmac.compare_digest(received, each) for each in expected)


def _among(expected: bytes, received: Sequence[str]) -> bool:
    return _any_of(hmac.compare_digest(expected, _raw(each)) for each in received)


def _any_of(matches: Iterable[bool]) -> bool:
    """Like any(), but it evaluates all: the time does not reveal which one matched."""
    return sum(matches) > 0


def _hex(secret: str, content: bytes) -> bytes:
    return hmac.digest(secret.encode(), content, "sha256").hex().encode()


def _raw(text: str) -> bytes:
    """Return the bytes of a header's value: headers are decoded as Latin-1."""
    return text.encode("latin-1", "replace")


def _text_in(body: bytes, name: str) -> str:
    """Return a string field of a JSON object; empty if there is none."""
    try:
        content = exact_json.read(body)
    except exact_json.NotJson:
        return ""
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""


def _shortened(message_id: str) -> str:
    """Return an id that can be stored; one that is too long is shortened with a hash, so that it stays unique."""
    clean = message_id.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(clean) <= MAX_ID:
        return clean
    return f"{clean[:100]}…{hashlib.sha256(clean.encode(errors='replace')).hexdigest()}"

"""Whether a request is from who it should be from. Pure: bytes, headers and secrets in, a message id or a reason out.

Secrets are compared in constant time; what is told to the caller says less than the reason, which is for the log.
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

import orjson

from webhooks import signing
from webhooks.inbound import schemes
from webhooks.inbound.schemes import Scheme

MAX_ID = 200
MAX_SIGNATURES = 20
"""More in one header are not looked at."""
_MILLISECONDS = 10**11
"""A timestamp from here on is in milliseconds."""


class Refusal(Exception):
    """The request is not from who it should be from."""

    def __init__(self, reason: str, challenge: str = "") -> None:
        """`challenge`: the value of WWW-Authenticate where there is one."""
        super().__init__(reason)
        self.challenge = challenge


class UnusableSecret(Exception):
    """What the credential holds is no secret of this scheme."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Who calls has proved it."""

    message_id: str = ""
    """What tells repetitions of the message; empty if nothing does."""
    answer: dict[str, Any] | None = None
    """What the caller is answered instead of starting anything."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What is looked at: header names in lower case, and the body as it came."""

    headers: Mapping[str, str]
    body: bytes
    now: float
    """Seconds since 1970."""

    def need(self, name: str) -> str:
        """Return the header's value. Raises Refusal where it is missing."""
        value = self.headers.get(name.lower(), "").strip()
        if not value:
            raise Refusal(f"The header {name} is missing.")
        return value


Secrets = Sequence[Mapping[str, str]]
"""The fields of the credentials that are taken."""


def verify(scheme: Scheme, secrets: Secrets, request: Signed) -> Proved:
    """Return what is known about a request that is from who it should be from. Raises Refusal, UnusableSecret."""
    if isinstance(scheme, schemes.Open):
        return Proved()
    if not secrets:
        raise UnusableSecret("There is no credential.")
    return _CHECKS[scheme.type](scheme, secrets, request)


def authenticating_headers(scheme: Scheme, secrets: Secrets) -> set[str]:
    """Return the names, in lower case, of the headers that prove who calls: workflows do not get to see them."""
    if isinstance(scheme, schemes.Header):
        return {fields["name"].lower() for fields in secrets}
    if isinstance(scheme, schemes.Hmac):
        return {scheme.header.lower()}
    return _PROVING.get(scheme.type, set())


_PROVING = {
    "standard_webhooks": {"webhook-signature", "svix-signature"},
    "github": {"x-hub-signature", "x-hub-signature-256"},
    "stripe": {"stripe-signature"},
    "slack": {"x-slack-signature"},
}


# --- secrets that are sent -------------------------------------------------------------------------------------------


def _basic(scheme: schemes.Basic, secrets: Secrets, request: Signed) -> Proved:
    challenge = 'Basic realm="webhook", charset="UTF-8"'
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        raise Refusal("The header Authorization with user name and password is missing.", challenge)
    try:
        given = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("What follows Basic is no Base64.", challenge) from None
    if not _any(given, (f"{each['username']}:{each['password']}".encode() for each in secrets)):
        raise Refusal("The user name or the password is wrong.", challenge)
    return _known_by(scheme.id_header, request)


def _bearer(scheme: schemes.Bearer, secrets: Secrets, request: Signed) -> Proved:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise Refusal("The header Authorization with a bearer token is missing.", "Bearer")
    if not _any(_raw(value.strip()), (_raw(each["token"]) for each in secrets)):
        raise Refusal("The bearer token is wrong.", 'Bearer error="invalid_token"')
    return _known_by(scheme.id_header, request)


def _header(scheme: schemes.Header, secrets: Secrets, request: Signed) -> Proved:
    found = [(each["name"], _raw(each["value"])) for each in secrets]
    given = [name for name, _ in found if name.lower() in request.headers]
    if not given:
        raise Refusal(f"The header {' or '.join(dict.fromkeys(name for name, _ in found))} is missing.")
    right = [hmac.compare_digest(_raw(request.headers.get(name.lower(), "").strip()), value) for name, value in found]
    if not any(right):
        raise Refusal(f"The value of the header {given[0]} is wrong.")
    return _known_by(scheme.id_header, request)


def _known_by(id_header: str, request: Signed) -> Proved:
    return Proved(_shortened(request.need(id_header)) if id_header else "")


# --- signatures ------------------------------------------------------------------------------------------------------


def _standard_webhooks(scheme: schemes.StandardWebhooks, secrets: Secrets, request: Signed) -> Proved:
    headers = request.headers
    if "svix-signature" in headers and "webhook-signature" not in headers:
        # Svix, whose headers these were before they were the standard's, still sends them under its name.
        headers = {name: headers.get(f"svix{name.removeprefix('webhook')}", "") for name in _STANDARD}
    try:
        # How old it is, is judged below, in figures.
        message_id = signing.verify(_signing(secrets), headers, request.body, tolerance_seconds=math.inf)
    except signing.BadSignature as error:
        raise Refusal(str(error) if "fits" not in str(error) else _WRONG) from None
    except signing.BadSecret as error:
        raise UnusableSecret(str(error)) from None
    _check_age(headers[signing.TIMESTAMP], scheme.tolerance_seconds, request.now)
    return Proved(_shortened(message_id))


_STANDARD = (signing.ID, signing.TIMESTAMP, signing.SIGNATURE)


def _github(scheme: schemes.GitHub, secrets: Secrets, request: Signed) -> Proved:
    given = request.need("X-Hub-Signature-256")
    if not _any(_raw(given), (b"sha256=" + _hex(secret, request.body) for secret in _signing(secrets))):
        raise Refusal(_WRONG)
    return Proved(_shortened(request.headers.get("x-github-delivery", "").strip()))


def _stripe(scheme: schemes.Stripe, secrets: Secrets, request: Signed) -> Proved:
    parts = [part.strip().partition("=") for part in request.need("Stripe-Signature").split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    given = [value for name, _, value in parts if name == "v1"][:MAX_SIGNATURES]
    if not timestamp or not given:
        raise Refusal("Stripe-Signature holds no timestamp t or no signature v1.")
    content = _raw(f"{timestamp}.") + request.body
    if not _any_of(_among(_hex(secret, content), given) for secret in _signing(secrets)):
        raise Refusal(_WRONG)
    _check_age(timestamp, scheme.tolerance_seconds, request.now)
    return Proved(_shortened(_text_in(request.body, "id")))


def _slack(scheme: schemes.Slack, secrets: Secrets, request: Signed) -> Proved:
    timestamp, given = request.need("X-Slack-Request-Timestamp"), request.need("X-Slack-Signature")
    content = _raw(f"v0:{timestamp}:") + request.body
    if not _any(_raw(given), (b"v0=" + _hex(secret, content) for secret in _signing(secrets))):
        raise Refusal(_WRONG)
    _check_age(timestamp, scheme.tolerance_seconds, request.now)
    if _text_in(request.body, "type") == "url_verification":
        return Proved(answer={"challenge": _text_in(request.body, "challenge")})
    return Proved(_shortened(_text_in(request.body, "event_id")))


def _hmac(scheme: schemes.Hmac, secrets: Secrets, request: Signed) -> Proved:
    given = request.need(scheme.header)
    timestamp = request.need(scheme.timestamp_header) if scheme.timestamp_header else ""
    content = _raw(timestamp) + scheme.separator.encode() + request.body if timestamp else request.body
    if not given.startswith(scheme.prefix):
        raise Refusal(f"The header {scheme.header} does not begin with {scheme.prefix!r}.")
    signature = given.removeprefix(scheme.prefix).strip()
    digests = [hmac.digest(secret.encode(), content, scheme.algorithm) for secret in _signing(secrets)]
    if scheme.encoding == "hex":
        right = _any(_raw(signature.lower()), (digest.hex().encode() for digest in digests))
    else:
        right = _any(_raw(signature.rstrip("=")), (base64.b64encode(digest).rstrip(b"=") for digest in digests))
    if not right:
        raise Refusal(_WRONG)
    if timestamp:
        _check_age(timestamp, scheme.tolerance_seconds, request.now)
    return _known_by(scheme.id_header, request)


_WRONG = "The signature is wrong: it was made with another secret, or the body was changed on its way."
_CHECKS: dict[str, Callable[[Any, Secrets, Signed], Proved]] = {
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
    """Yield every secret that may have signed: of each credential the present one and the one before."""
    for fields in secrets:
        yield fields["secret"]
        if fields.get("previous"):
            yield fields["previous"]


def _check_age(timestamp: str, tolerance: int, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise Refusal("The timestamp is no number of seconds since 1970.")
    seconds = int(timestamp) / 1000 if int(timestamp) >= _MILLISECONDS else int(timestamp)
    age = now - seconds
    if age > tolerance:
        raise Refusal(f"The request is {age:.0f} s old; {tolerance} s are allowed.")
    if age < -tolerance:
        raise Refusal(f"The request's timestamp lies {-age:.0f} s in the future; {tolerance} s are allowed.")


def _any(given: bytes, expected: Iterator[bytes]) -> bool:
    """Tell whether it is one of the expected ones, comparing with all of them."""
    return _any_of(hmac.compare_digest(given, each) for each in expected)


def _among(expected: bytes, given: Sequence[str]) -> bool:
    return _any_of(hmac.compare_digest(expected, _raw(each)) for each in given)


def _any_of(found: Iterable[bool]) -> bool:
    """Like any(), to the end: how long it takes does not tell which one it was."""
    return sum(found) > 0


def _hex(secret: str, content: bytes) -> bytes:
    return hmac.digest(secret.encode(), content, "sha256").hex().encode()


def _raw(text: str) -> bytes:
    """Return a header's value as it came: headers are read as Latin-1."""
    return text.encode("latin-1", "replace")


def _text_in(body: bytes, name: str) -> str:
    """Return a text at the top of a JSON object; empty where there is none."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _shortened(message_id: str) -> str:
    """Return an id that can be stored; one that is too long keeps telling repetitions."""
    clean = message_id.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(clean) <= MAX_ID:
        return clean
    return f"{clean[:100]}…{hashlib.sha256(clean.encode(errors='replace')).hexdigest()}"

"""Which headers a workflow may set on the response to a webhook, and with which values. Pure.

Responses have the platform's own origin. A workflow may describe its response (content type, caching, redirects, CORS,
custom headers). It may not set headers that frame the message, that browsers store or apply to the whole origin, that
lift the sandbox of the response, or that a proxy in front of the platform acts on.
"""

from __future__ import annotations

import re

MAX_NAME, MAX_VALUE = 100, 4_000
"""Characters. Proxies refuse responses whose headers are larger than their buffers, often 4 or 8 KiB."""

_NAME = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{MAX_NAME}}}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TYPE = re.compile(r"(?!\*)[\w!#$&^.+-]+/(?!\*)[\w!#$&^.+-]+\s*(;.*)?", re.ASCII)

_REFUSED = {
    "the server sets it, since it determines where the response ends on the connection": {
        "connection", "content-encoding", "content-length", "http2-settings", "keep-alive", "te", "trailer",
        "transfer-encoding", "upgrade",
    },
    "browsers apply it to the whole host, not only to this response": {
        "accept-ch", "activate-storage-access", "alt-svc", "clear-site-data", "critical-ch", "expect-ct", "nel",
        "origin-agent-cluster", "public-key-pins", "public-key-pins-report-only", "report-to", "reporting-endpoints",
        "service-worker-allowed", "set-cookie", "set-cookie2", "set-login", "shared-storage-write",
        "strict-transport-security", "use-as-dictionary", "x-permitted-cross-domain-policies",
    },
    "it controls what a page may do, and the platform prevents responses to webhooks from acting as pages": {
        "access-control-allow-credentials", "content-security-policy", "content-security-policy-report-only",
        "document-policy", "document-policy-report-only", "feature-policy", "origin-trial", "permissions-policy",
        "permissions-policy-report-only", "refresh", "require-document-policy", "sourcemap", "speculation-rules",
        "supports-loading-mode", "x-content-security-policy", "x-content-type-options", "x-sourcemap", "x-webkit-csp",
    },
    "a proxy in front of the platform acts on it": {
        "x-lighttpd-send-file", "x-lighttpd-send-tempfile", "x-reproxy-url", "x-sendfile",
    },
}  # fmt: skip
_REASONS = {name: reason for reason, names in _REFUSED.items() for name in names}
_REASONS_BY_PREFIX = {
    "proxy-": "it belongs to a connection, not to a response",
    "cross-origin-": _REASONS["refresh"],
    "sec-": _REASONS["set-cookie"],
    "secure-session-": _REASONS["set-cookie"],
    "x-accel-": _REASONS["x-sendfile"],
}


def problem(name: str, value: str | None) -> str | None:
    """Return what is wrong with a header, as a sentence; None if a workflow may set it. `value` None: not known yet."""
    if not _NAME.fullmatch(name):
        rule = f"letters, digits and !#$%&'*+-.^_`|~ are allowed, at most {MAX_NAME} of them"
        return f"{name[:MAX_NAME]!r} is not a valid header name: {rule}."
    if (why := _reason(name.lower())) is not None:
        return f"The header {name!r} cannot be set by a workflow: {why}. Remove it."
    return None if value is None else _problem_of_value(name, value)


def is_well_formed(name: str, value: str) -> bool:
    """Return whether the header is valid in a response."""
    return _NAME.fullmatch(name) is not None and _CONTROL.search(value) is None and _is_latin1(value)


def _reason(name: str) -> str | None:
    by_prefix = (reason for start, reason in _REASONS_BY_PREFIX.items() if name.startswith(start))
    return _REASONS.get(name) or next(by_prefix, None)


def _problem_of_value(name: str, value: str) -> str | None:
    if len(value) > MAX_VALUE:
        return f"The header {name!r} has {len(value)} characters; at most {MAX_VALUE} are allowed."
    if (match := _CONTROL.search(value)) is not None:
        return f"The header {name!r} contains the control character {match[0]!r}; remove it."
    if not _is_latin1(value):
        return f"The header {name!r} contains a character outside Latin-1; encode it, in a URL as %C3%A9."
    if name.lower() == "content-type":
        return _problem_of_type(value)
    return None


def _problem_of_type(value: str) -> str | None:
    if not _TYPE.fullmatch(value.strip()):
        return f"The header 'Content-Type' must be a media type, such as text/plain, not {value[:100]!r}."
    if value.strip().lower().startswith("multipart/"):
        # Browsers read headers, Set-Cookie among them, out of the parts of multipart/x-mixed-replace.
        return f"The header 'Content-Type' cannot be {value[:100]!r}: the parts of such a response have headers too."
    return None


def _is_latin1(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True

"""Outbound HTTP: guarded requests to other servers, with address checks, connections and time limits.

Other packages call `outbound.send` and the URL checks below; they open no connections themselves.
"""

from workflow_platform.core.outbound.client import (
    BodySink,
    OutboundBody,
    OutboundCancelled,
    OutboundFailed,
    OutboundRefused,
    OutboundResponse,
    Receiver,
    Timings,
    check_host,
    check_url,
    check_urls_saved,
    escaped,
    is_public,
    send,
    shown_url,
)

__all__ = [
    "BodySink",
    "OutboundBody",
    "OutboundCancelled",
    "OutboundFailed",
    "OutboundRefused",
    "OutboundResponse",
    "Receiver",
    "Timings",
    "check_host",
    "check_url",
    "check_urls_saved",
    "escaped",
    "is_public",
    "send",
    "shown_url",
]

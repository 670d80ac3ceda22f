"""Outbound HTTP: the one guarded way out of the platform, with its address checks, connections and time limits.

Other packages call `outbound.send` and the checks of URLs below; they open no connection of their own.
"""

from workflow_platform.core.outbound.client import (
    OutboundCancelled,
    OutboundFailed,
    OutboundRefused,
    OutboundResponse,
    Timings,
    check_host,
    check_url,
    check_urls_saved,
    is_public,
    send,
)

__all__ = [
    "OutboundCancelled",
    "OutboundFailed",
    "OutboundRefused",
    "OutboundResponse",
    "Timings",
    "check_host",
    "check_url",
    "check_urls_saved",
    "is_public",
    "send",
]

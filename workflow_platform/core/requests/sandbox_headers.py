"""The headers that isolate a response under /hooks/ from the pages of the platform. No Django."""

from __future__ import annotations

SANDBOX = {
    b"Content-Security-Policy": b"sandbox",
    b"X-Content-Type-Options": b"nosniff",
    b"Cross-Origin-Resource-Policy": b"same-origin",
}

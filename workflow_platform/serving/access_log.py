"""The access log of the web process (ACCESS_LOG): one log line for each response and each change of a WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger("workflow_platform.access")


def log_action(protocol: str, action: str, details: Mapping[str, Any]) -> None:
    """Write an action that Daphne reports as one line, without the query, which may contain tokens and personal
    data."""
    path = str(details["path"]).partition("?")[0]
    fields: dict[str, Any] = {"path": path, "client": details["client"]}
    if protocol == "http":
        fields |= {
            "method": details["method"],
            "status_code": details["status"],
            "duration_ms": round(details["time_taken"] * 1000, 1),
            "bytes": details["size"],
        }
        line = "%(method)s %(path)s answered %(status_code)s in %(duration_ms)s ms"
        logger.info(line, fields, extra=fields)
    elif action != "connecting":  # connected, rejected, disconnected
        logger.info("WebSocket %s %s", path, action, extra=fields)

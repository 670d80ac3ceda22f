"""The codes with which the server closes a WebSocket. Their descriptions are in events/catalogue/protocol.yaml."""

from __future__ import annotations

RESTARTING = 1012
NOT_AUTHENTICATED = 4401
FORBIDDEN = 4403
NO_SUCH_STREAM = 4404
NO_PONG = 4408
TOO_MANY = 4429

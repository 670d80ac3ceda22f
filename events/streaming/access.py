"""Who a client is, and which streams are theirs to see: asked when they come, and again while they stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie
from django.http.request import validate_host

from events.catalogue.stream_names import FEED, SYSTEM
from events.log import reading
from events.log.reading import StreamState
from events.replay import watching
from events.replay.watching import ReplayState
from workflow_platform.core.accounts.authentication import authenticate_bearer
from workflow_platform.core.accounts.models import User, Workspace

NOT_FOUND = "There is no such stream, or it is not yours to see."


@dataclass(frozen=True, slots=True)
class Login:
    """What a client shows of itself: a bearer token, or the key of a session."""

    bearer: str | None
    session_key: str | None

    @classmethod
    def of(cls, headers: dict[bytes, bytes], subprotocols: Collection[str] = ()) -> Login:
        """Return the login of a request: `Authorization: Bearer`, the subprotocols `bearer, <token>`, or the cookie."""
        scheme, _, raw = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            return cls(raw.strip(), None)
        words = list(subprotocols)
        if len(words) >= 2 and words[0] == "bearer":
            return cls(words[1], None)
        cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
        return cls(None, cookies.get(settings.SESSION_COOKIE_NAME))


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user and what they may see at this moment."""

    user: User
    staff: bool
    workspace_ids: frozenset[str]


def viewer_of(login: Login) -> Viewer | None:
    """Return who has logged in; None if the token or the session opens nothing, or no longer."""
    user = user_of(login)
    if user is None:
        return None
    mine = Workspace.objects.visible_to(user).order_by().values_list("pk", flat=True)
    return Viewer(user, user.is_staff, frozenset(map(str, mine)))


def user_of(login: Login) -> User | None:
    """Return who has logged in; None if the token or the session opens nothing."""
    if login.bearer is not None:
        return authenticate_bearer(login.bearer)
    if not login.session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(login.session_key)
    user: Any = get_user(request)  # checks that the password is still the one of the login
    return user if isinstance(user, User) and user.is_active else None


def visible_streams(viewer: Viewer, names: Collection[str]) -> dict[str, StreamState]:
    """Return where those streams stand that the viewer may see. Others are left out as if there were none."""
    found = {name: state for name, state in reading.states(names).items() if may_see(viewer, state)}
    return found | watching.states(viewer.user, names)


def may_see(viewer: Viewer, stream: StreamState) -> bool:
    """Tell whether the viewer may see the stream."""
    if isinstance(stream, ReplayState):
        return stream.may_be_seen(viewer.user.pk, viewer.workspace_ids, viewer.staff)
    if stream.name == FEED:
        return bool(viewer.workspace_ids)
    if stream.name == SYSTEM:
        return viewer.staff
    return stream.workspace_id is not None and str(stream.workspace_id) in viewer.workspace_ids


def same_origin(headers: dict[bytes, bytes]) -> bool:
    """Tell whether a page of this very site asks: scheme, host and port. What a cookie opens needs it."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    host = headers.get(b"host", b"").decode("latin-1")
    scheme = "https" if settings.HTTPS else "http"
    hostname = parts.hostname or ""
    allowed = validate_host(f"[{hostname}]" if ":" in hostname else hostname, settings.ALLOWED_HOSTS)
    return parts.scheme == scheme and parts.netloc == host and allowed

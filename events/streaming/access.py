"""The user of a client and the streams that it may see: checked on connect, and again while it is connected."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.request import validate_host

from events.catalogue.stream_names import FEED, SYSTEM, USER
from events.log import reading
from events.log.reading import StreamState
from events.streaming import stream_kinds
from events.streaming.viewer import Login, Viewer
from workflow_platform.core.accounts.authentication import authenticate_bearer
from workflow_platform.core.accounts.models import User, Workspace


def viewer_of(login: Login) -> Viewer | None:
    """Return the viewer of a login; None if the token or session is not valid."""
    user = user_of(login)
    if user is None:
        return None
    visible = Workspace.objects.visible_to(user).order_by().values_list("pk", flat=True)
    return Viewer(user, user.is_staff, frozenset(map(str, visible)))


def user_of(login: Login) -> User | None:
    """Return the user of a login; None if the token or session is not valid."""
    if login.bearer is not None:
        return authenticate_bearer(login.bearer)
    if not login.session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(login.session_key)
    user: Any = get_user(request)  # checks that the password is still the one of the login
    return user if isinstance(user, User) and user.is_active else None


def visible_streams(viewer: Viewer, names: Collection[str]) -> dict[str, StreamState]:
    """Return the states of the streams that the viewer may see. Others are left out as if they did not exist."""
    states = {name: state for name, state in reading.states(names).items() if may_see(viewer, state)}
    return states | stream_kinds.states(viewer, names)


def may_see(viewer: Viewer, stream: StreamState) -> bool:
    """Return whether the viewer may see the stream."""
    if (kind := stream_kinds.kind_of(stream.name)) is not None:
        return kind.may_see(viewer, stream)
    if stream.name == FEED:
        return bool(viewer.workspace_ids)
    if stream.name == SYSTEM:
        return viewer.staff
    if stream.name.startswith(USER):
        return stream.name == f"{USER}{viewer.user.pk}"
    return stream.workspace_id is not None and str(stream.workspace_id) in viewer.workspace_ids


def same_origin(headers: dict[bytes, bytes]) -> bool:
    """Return whether the request comes from a page of this site (scheme, host and port). Required for session
    cookies."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    host = headers.get(b"host", b"").decode("latin-1")
    scheme = "https" if settings.HTTPS else "http"
    hostname = parts.hostname or ""
    allowed = validate_host(f"[{hostname}]" if ":" in hostname else hostname, settings.ALLOWED_HOSTS)
    return parts.scheme == scheme and parts.netloc == host and allowed

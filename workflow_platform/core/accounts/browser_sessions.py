"""Records where the sessions of the pages are used, so that their users can see and end them."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from threading import Lock
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from workflow_platform.core.accounts.models import BrowserSession
from workflow_platform.core.middleware import Middleware
from workflow_platform.core.outbound.addresses import IPAddress
from workflow_platform.core.requests.client_address import client_address

EVERY_SECONDS = 60
REMEMBERED = 10_000
"""Sessions of which a process knows when it noted them last."""
UNKNOWN_DEVICE = "Unknown device"
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


class BrowserSessionMiddleware(Middleware):
    """Notes the use of a session after the response to its request, at most once a minute in each process."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response; a coroutine if what follows is asynchronous."""
        if iscoroutinefunction(self):
            return self._respond(request)
        response = self.get_response(request)
        if self._is_due(request):
            note(request)
        return response

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        if self._is_due(request):
            await sync_to_async(note)(request)
        return response

    def _is_due(self, request: HttpRequest) -> bool:
        key = _key_of(request)
        if key is None:
            return False
        now = time.monotonic()
        with self._lock:
            noted = self._noted.pop(key, None)
            due = noted is None or now - noted >= EVERY_SECONDS
            self._noted[key] = now if noted is None or due else noted
            if len(self._noted) > REMEMBERED:
                self._noted.popitem(last=False)
        return due


def _key_of(request: HttpRequest) -> str | None:
    """Return the key of the session of a logged-in user, if the view has used it; nothing is read for this."""
    session: Any = getattr(request, "session", None)
    loaded = getattr(session, "_session_cache", {})  # `in session` would load it, also while the database is away
    return str(session.session_key) if session is not None and session.session_key and SESSION_KEY in loaded else None


def note(request: HttpRequest) -> None:
    """Write where and when the session of the request was used."""
    session: Any = request.session
    key, user_id = session.session_key, session.get(SESSION_KEY)
    agent, network = str(request.META.get("HTTP_USER_AGENT") or ""), network_of(client_address(request.META))
    seen = {"device": device_of(agent), "network": network, "seen_at": timezone.now()}
    try:
        known = BrowserSession.objects.filter(session_id=key, user_id=user_id).update(**seen)
        if not known and Session.objects.filter(pk=key).exists():
            BrowserSession.objects.update_or_create(session_id=key, defaults={"user_id": user_id, **seen})
    except (DatabaseError, InterfaceError):
        return  # the session or its user is gone, or the database is: the page does not depend on it


def device_of(user_agent: str) -> str:
    """Return the browser and the system that a User-Agent header names: `Firefox on Linux`."""
    browser = next(
        (name for mark, name in _BROWSERS if f"{mark}/" in user_agent or f"Headless{mark}/" in user_agent), ""
    )
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    program = re.match(r"[A-Za-z][\w.+-]{0,39}", user_agent)
    return program[0] if program else system or UNKNOWN_DEVICE


def network_of(address: IPAddress | None) -> str:
    """Return the network of an address, which tells sessions apart without storing who was where: a /24 or a /48."""
    if address is None:
        return ""
    if address.is_loopback:
        return "this machine"
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))

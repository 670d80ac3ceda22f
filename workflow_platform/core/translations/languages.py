"""The language of a request: that of the account, else the best of its Accept-Language header, else English."""

from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from workflow_platform.core.middleware import Middleware

LANGUAGES = frozenset(code for code, _ in settings.LANGUAGES)


def language_choices() -> list[tuple[str, str]]:
    """Return what an account can choose besides the language of the browser. Each is named in itself."""
    return list(settings.LANGUAGES)


class LanguageMiddleware(Middleware):
    """Answers each request in its language. It follows the middleware that knows the user."""

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response; a coroutine if what follows is asynchronous."""
        if iscoroutinefunction(self):
            return self._respond(request)
        with translation.override(language_of(request)):
            return self.get_response(request)

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        in_session = settings.SESSION_COOKIE_NAME in request.COOKIES  # then the user is read, which needs a thread
        language = await sync_to_async(language_of)(request) if in_session else accepted_language(request)
        with translation.override(language):
            response: HttpResponseBase = await self.get_response(request)
        return response


def language_of(request: HttpRequest) -> str:
    """Return the language of a request."""
    try:
        chosen = getattr(request.user, "language", "")
    except (DatabaseError, InterfaceError):
        chosen = ""  # the database is away; the view says so
    return chosen if chosen in LANGUAGES else accepted_language(request)


def accepted_language(request: HttpRequest) -> str:
    """Return the first language of the Accept-Language header that there is, else English."""
    for code, _ in parse_accept_lang_header(request.headers.get("Accept-Language", "").lower()):
        language = code.partition("-")[0]
        if language in LANGUAGES:
            return language
        if code == "*":
            break
    return settings.LANGUAGE_CODE

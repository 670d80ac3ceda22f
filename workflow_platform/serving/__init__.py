"""The HTTP side of the web process: it passes requests from Daphne to Django, with separate handlers for hooks and
pages.

Only `asgi` and `web` use it.
"""

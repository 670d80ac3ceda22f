"""How the web process takes requests from Daphne and hands them to Django, hooks and pages apart.

Only `asgi` and `web` use it.
"""

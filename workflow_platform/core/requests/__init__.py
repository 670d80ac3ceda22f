"""Inbound requests: client addresses, limits of bodies, hosts, request ids, probes and URL checks.

Middlewares, pages and hooks use it.
"""

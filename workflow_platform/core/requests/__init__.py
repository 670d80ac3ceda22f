"""Inbound requests: the client's address, sizes of bodies, hosts, probes and the checks of addresses.

Middlewares, pages and hooks use it.
"""

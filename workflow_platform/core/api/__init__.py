"""Conventions of the REST API: bodies, pagination, problems (RFC 9457), and the OpenAPI schema.

The API packages of all apps use it.
"""

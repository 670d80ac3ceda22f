"""Requests to /hooks/: authentication, rate limits, bodies, deduplication and the request log.

The intake in `executions` uses all modules of this package.
"""

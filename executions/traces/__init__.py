"""Traces: the chain from an inbound request through executions, node runs, events and deliveries to their attempts.

The API and `executions.urls` use `trace`, `lookup` and `pages`.
"""

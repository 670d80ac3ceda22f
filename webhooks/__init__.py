"""Webhooks: outbound deliveries to endpoints, and inbound requests, with their pages and API.

It imports `events` and `workflow_platform.core`; `executions` uses `inbound`, `outbox` and `sending.outcomes`.
"""

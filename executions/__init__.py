"""Executions of workflows: definitions, triggers, the engine, workers, waits, credentials, and their pages and API.

It imports `events`, `webhooks` and `workflow_platform.core`; the project includes its URLs and admin.
"""

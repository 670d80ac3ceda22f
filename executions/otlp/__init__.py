"""Traces of executions: spans made of the event log, and delivered to the operator's OpenTelemetry collector.

The scheduler runs `consumer`, `manage.py export_traces` uses `history`, and webhooks get contexts from `contexts`.
"""

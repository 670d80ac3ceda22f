"""Maintenance by the scheduler: reconciliation of events and deliveries, and retention.

The API uses `reconciliation`; the management commands use both.
"""

"""Webhooks in the admin site: read-only, with actions. Endpoints are changed through the API and their pages, which
validate every change. Secrets are never shown. Only Django's admin uses it."""

from webhooks.admin import deliveries, endpoints, operations

__all__ = ["deliveries", "endpoints", "operations"]

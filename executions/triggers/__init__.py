"""Triggers: webhooks (`hooks`) and schedules, which start executions.

Other packages use `schedules` and `webhook_paths`.
"""

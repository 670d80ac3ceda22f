"""Triggers: what starts executions from outside, webhooks (`hooks`) and schedules.

Other packages use `schedules.settle` and `webhook_paths`.
"""

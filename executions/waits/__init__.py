"""Waits of executions for external events, approvals, responses to callers, and the actions when an execution ends.

Other packages use `waits.resolve`, `approvals`, `responses` and `completion`.
"""

"""Waits for external events, approvals, responses to callers, and the actions after an execution ends.

Other packages use `waits.resolve`, `approvals`, `responses` and `completion`.
"""

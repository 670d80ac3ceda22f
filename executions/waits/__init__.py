"""Waits: what an execution waits for, approvals, responses to callers, and what follows when an execution ends.

Other packages use `waits.resolve`, `approvals`, `responses` and `completion`.
"""

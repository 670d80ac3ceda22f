"""Accounts: users, workspaces and memberships, logins, tokens, invitations.

Other packages use `models`, `shortcuts`, `authentication` and `idempotency`.
"""

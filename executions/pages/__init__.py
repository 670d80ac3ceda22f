"""The pages of workflows, executions, approvals and credentials.

Only `executions.urls` and the API use it.
"""

"""The REST API of workflows, executions, credentials, schedules, approvals and traces.

Only the project uses it.
"""

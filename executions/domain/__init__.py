"""The pure domain of executions, without Django: graph, statuses, expressions, items, schedules, redaction, errors.

Every package of `executions` may use all of it.
"""

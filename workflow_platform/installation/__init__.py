"""`manage.py up`: embedded PostgreSQL and Redis, and the supervisor of all processes.

Only the command and the tests use it.
"""

"""Secrets: encryption at rest, the register of encrypted columns, and names that mark a value as secret.

Every app may use it.
"""

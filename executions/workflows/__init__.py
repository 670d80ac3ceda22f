"""Workflows: saving and checking definitions, their versions, and what is shown of them.

Other packages use `definitions` and `shown_definitions`.
"""

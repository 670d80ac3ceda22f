"""Workflows: saves and checks definitions, keeps their versions, and prepares definitions for viewers.

Other packages use `definitions`, `shown_definitions` and `url_checks`.
"""

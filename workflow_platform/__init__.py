"""The project: settings, URLs, the web process and `manage.py up`.

The apps import only `workflow_platform.core`.
"""

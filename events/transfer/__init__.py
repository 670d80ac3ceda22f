"""Export and import of history as JSON lines.

Used by the API and by `manage.py export_events` and `import_events`.
"""

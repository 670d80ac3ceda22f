"""Export and import of history as JSON lines.

The API and the commands `export_events` and `import_events` use it.
"""

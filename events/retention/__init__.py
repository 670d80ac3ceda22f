"""Retention: how long events are kept, and the cleanup that removes them.

Other packages register the rows that are deleted with their events in `cleanup.register`.
"""

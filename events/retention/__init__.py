"""Retention: for how long events are kept, and the cleanup that removes them.

Other packages register what they own with `cleanup.register`.
"""

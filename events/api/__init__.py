"""The REST API of events, exports and replays.

Only the project uses it.
"""

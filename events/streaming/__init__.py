"""Live streams: publishes events after the commit, and sends each client every event once and in order.

Other packages use `publisher` and `stream_kinds.register`.
"""

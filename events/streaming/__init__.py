"""Live streams: what is published after a commit, and how each client gets every event once and in order.

Other packages use `publisher` and `stream_kinds.register`.
"""

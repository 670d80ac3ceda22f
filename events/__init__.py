"""Events: the log and its history, the event bus, live streams, retention, transfer and replays.

Other packages use `bus`, `log`, `history`, `catalogue`, `streaming.publisher` and `retention.cleanup`.
"""

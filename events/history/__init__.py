"""History over all streams: filters, cursors, and reading in an order that late commits do not change.

Other packages use `history` (read, count, walk), `event_filter` and `cursors`; `scanning` contains the SQL.
"""

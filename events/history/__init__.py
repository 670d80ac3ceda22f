"""History over all streams: filters, cursors, and reading that late commits do not disturb.

Other packages use `history` (read, count, walk), `event_filter` and `cursors`; `scanning` holds the SQL.
"""

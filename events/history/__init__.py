"""History over all streams: filters, cursors, and the search that no late commit can break.

Other packages use `history` (read, count, walk), `event_filter` and `cursors`; `scanning` holds the SQL.
"""

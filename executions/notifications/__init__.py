"""Notifications: derived from the event log once, listed and read on pages and over the API.

`consumer` reads the log, `facts` says which events matter, `deriving` writes a row for each recipient, and `inbox` is
what a user sees of them. Decision 56 draws the way.
"""

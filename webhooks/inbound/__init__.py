"""Requests to /hooks/: whether they are who they say, how many are taken, and what is kept of them."""

"""Requests to /hooks/: taken in together, judged, and stored with the executions that they start."""

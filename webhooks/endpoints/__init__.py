"""Endpoints as they are made and changed. What one listens to is written here, and by `sending.disabling`, only."""

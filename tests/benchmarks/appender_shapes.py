"""What batches of 200 events look like: into how many streams one goes."""

BATCH = 200
SHAPES = {"8x25": 8, "200x1": 200, "lifecycle": 20}
"""`lifecycle`: a fifth of the events is shown by the feed and by the workflow's stream too."""

"""The engine: what is ready (planner), one execution (runner), batches to the log (recorder), who may write (lease)."""

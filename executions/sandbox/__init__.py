"""The code of `code` nodes, run in processes of its own: `pool.sandbox().run(…)`."""

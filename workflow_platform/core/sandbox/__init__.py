"""Processes that run untrusted or heavy work under limits of time and memory, without secrets, Django or connections.

Callers describe the work as a `task.Task` and run it with `pool.sandbox().run(task, …)`. Web processes and workers each
have a pool of their own.
"""

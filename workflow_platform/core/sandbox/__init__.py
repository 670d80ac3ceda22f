"""Processes that run untrusted or heavy work under limits of time and memory, without secrets, Django or connections.

Other packages describe the work as a `task.Task` and run it with `pool.sandbox().run(task, …)`; each process has its
own pool.
"""

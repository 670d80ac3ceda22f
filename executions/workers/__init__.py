"""Workers: the worker process, its limits, the number of workers, health reports, and recovery after crashes.

Only the scheduler and the supervisor use it.
"""

"""The renewal of a worker's leases by a separate process, which the worker's interpreter lock cannot delay.

Only the engine uses it.
"""

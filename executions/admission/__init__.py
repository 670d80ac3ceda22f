"""Admission: limits, the queue behind them, why an execution is queued, and the RQ queues that carry its jobs.

Other packages use `admission.admit`, `after_commit` and `explanation`.
"""

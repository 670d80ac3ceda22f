"""Admission: limits, the queue behind them, why an execution is queued, and the RQ queues of its jobs.

Other packages use `admission`, `after_commit`, `rq_queues`, `live_workers` and `explanation`.
"""

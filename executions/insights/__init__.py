"""Insights: finds what holds throughput back from recorded executions, applies advice, and checks whether it helped.

Other packages use `applying`, `statuses` and `InsightThread`; the detectors only read.
"""

from executions.insights.thread import InsightThread

__all__ = ["InsightThread"]

"""Metrics of the whole installation: what its processes measure, added up, and figures that apps compute from rows.

Apps register functions with `exposition.register`; processes call `reporting.start`; `store` keeps what was shown.
"""

"""Detectors: one module per kind of insight, each with a bounded query and a pure function that decides.

A detector returns its findings, or None if there is too little to decide: an earlier finding then stays as it is.
"""

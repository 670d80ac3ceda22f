"""Traces: the chain from an inbound request over executions, node runs, events and deliveries to their attempts."""

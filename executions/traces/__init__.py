"""What came of a request, over all tables: executions, node runs, events, deliveries, attempts."""

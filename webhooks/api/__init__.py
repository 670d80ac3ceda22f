"""The REST API of endpoints, deliveries, operations, statistics and inbound requests.

Only the project uses it.
"""

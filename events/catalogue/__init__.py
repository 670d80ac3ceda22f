"""The catalogue: event types with their payloads, names of streams, descriptions, and the AsyncAPI document. Pure.

Every other package may use all of it.
"""

"""Creates and changes endpoints and their secrets; retry policies and test events.

The API and the pages use it. Subscriptions are changed here and in `sending.disabling` only.
"""

"""The core: accounts, API conventions, outbound HTTP, secrets, sandbox processes, logs, and clients of the servers.

Every app may import it; it imports none of the apps.
"""

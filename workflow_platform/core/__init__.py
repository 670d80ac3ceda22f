"""What every app may import: accounts, API conventions, outbound HTTP, secrets, sandbox processes, servers.

It imports none of the apps.
"""

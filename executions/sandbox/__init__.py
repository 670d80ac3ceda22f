"""Tasks of executions that run in sandbox processes: expressions, `code` nodes, syntax checks and large bodies.

Nodes and the lifecycle use this package. `workflow_platform.core.sandbox` manages the processes.
"""

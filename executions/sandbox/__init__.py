"""What runs in sandbox processes for executions: expressions, `code` nodes, syntax checks and large bodies.

Nodes and the lifecycle use it; the processes are in `workflow_platform.core.sandbox`.
"""

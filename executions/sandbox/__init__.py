"""The tasks of sandbox processes for executions: expressions, `code` nodes, syntax checks and large bodies.

Nodes, workflows and the lifecycle use it; the processes are in `workflow_platform.core.sandbox`.
"""

"""What runs in sandbox processes for executions: the code of `code` nodes (`code`, `evaluation`)."""

"""Names that the sessions of running installations contain. The app is `workflow_platform.core.accounts`."""

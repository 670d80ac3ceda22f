"""Names that sessions of running installations hold. The app is `workflow_platform.core.accounts`."""

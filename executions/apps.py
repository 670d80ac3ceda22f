from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the background what it is there for, the cleanup of history what can go with it, and the deliveries who
        waits for their ends."""
        from events.retention import cleanup
        from executions import credentials, retention
        from executions.admission import admission, after_commit
        from executions.engine import node_deliveries
        from executions.waits import completion
        from webhooks.sending import outcomes
        from workflow_platform.core.secrets import encrypted_columns

        encrypted_columns.register("credentials", credentials.rotate)
        after_commit.register(after_commit.FOLLOW_UP, completion.follow_up_all)
        after_commit.register(after_commit.ADMIT, admission.admit)
        after_commit.register(after_commit.DELIVERIES, node_deliveries.go_on_with_what_was_heard)
        outcomes.on_end(node_deliveries.hear)
        cleanup.register(cleanup.Owner("execution", retention.prune, retention.weigh))

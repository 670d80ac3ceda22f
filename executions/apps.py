from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the background what it is there for, the cleanup of history what can go with it, and the deliveries who
        waits for their ends."""
        from events import cleanup
        from executions import admission, background, credentials, follow_up, node_deliveries, pruning
        from webhooks.sending import outcomes
        from workflow_platform import sealed

        sealed.register("credentials", credentials.rotate)
        background.register(background.FOLLOW_UP, follow_up.follow_up_all)
        background.register(background.ADMIT, admission.admit)
        background.register(background.DELIVERIES, node_deliveries.go_on_with_what_was_heard)
        outcomes.on_end(node_deliveries.hear)
        cleanup.register(cleanup.Owner("execution", pruning.prune, pruning.weigh))

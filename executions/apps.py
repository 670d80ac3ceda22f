from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the background what it is there for, and the cleanup of history what can go with it."""
        from events import cleanup
        from executions import admission, background, credentials, follow_up, pruning
        from workflow_platform import sealed

        sealed.register("credentials", credentials.rotate)
        background.register(background.FOLLOW_UP, follow_up.follow_up_all)
        background.register(background.ADMIT, admission.admit)
        cleanup.register(cleanup.Owner("execution", pruning.prune, pruning.weigh))

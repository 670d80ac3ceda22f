from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the background what it is there for."""
        from executions import admission, background, follow_up

        background.register(background.FOLLOW_UP, follow_up.follow_up_all)
        background.register(background.ADMIT, admission.admit)

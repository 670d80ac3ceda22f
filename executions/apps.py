from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the packages of the app with each other."""
        from executions import wiring  # imports models, which Django allows only now

        wiring.connect()

from django.apps import AppConfig

from workflow_platform.core import garbage_collection


class ExecutionsConfig(AppConfig):
    name = "executions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the packages of the app with each other. It is the last app: then everything is loaded."""
        from executions import wiring  # imports models, which Django allows only now

        wiring.connect()
        garbage_collection.resume_after_loading()

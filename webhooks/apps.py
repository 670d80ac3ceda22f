from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the job that sends what is due."""
        from webhooks import dispatch
        from webhooks.sender import deliver
        from workflow_platform.jobs import register

        register(dispatch.KIND, deliver, "high")

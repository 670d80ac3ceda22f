from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and what workers do for replays."""
        from events import checks  # noqa: F401
        from events.replay import jobs, sending
        from workflow_platform.jobs import register

        register(jobs.KIND, sending.send, "low")

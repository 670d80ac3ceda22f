from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the packages of the app with each other."""
        from events import wiring  # imports models, which Django allows only now

        wiring.connect()

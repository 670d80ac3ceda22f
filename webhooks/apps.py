from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have every process write the deliveries of the events that it appends, with them; register the job that
        sends what is due."""
        from events import bus
        from events.event_types import CATALOGUE
        from webhooks import dispatch, outbox
        from webhooks.models import Delivery, Endpoint
        from webhooks.sender import deliver
        from workflow_platform import sealed
        from workflow_platform.jobs import register

        sealed.register_column("endpoints", Endpoint, "sealed")
        sealed.register_column("ad-hoc deliveries", Delivery, "sealed")
        told = [name for name in CATALOGUE if not name.startswith("system.")]
        bus.subscribe(outbox.deliver_events, told, when="in_transaction", batches=True, name="webhooks.outbox")
        register(dispatch.KIND, deliver, "high")

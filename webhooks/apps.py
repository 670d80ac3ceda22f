from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have every process write the deliveries of the events that it appends; register the jobs, and what is kept
        encrypted."""
        from events.replay import receivers
        from webhooks import dispatcher
        from webhooks.models import Delivery, Endpoint
        from webhooks.operations import jobs as operation_jobs
        from webhooks.operations import replays
        from webhooks.sending.sender import deliver
        from workflow_platform.core import jobs
        from workflow_platform.core.secrets import encrypted_columns

        subscribe()
        jobs.register(dispatcher.KIND, deliver, "high")
        jobs.register(operation_jobs.KIND, operation_jobs.work, "low")
        receivers.register(replays.Endpoints())
        encrypted_columns.register_column("endpoints", Endpoint, "sealed")
        encrypted_columns.register_column("ad-hoc deliveries", Delivery, "sealed")


def subscribe() -> None:
    """Let the outbox hear of the events of workspaces, in their transactions."""
    from events import bus
    from webhooks import outbox
    from webhooks.validation import DELIVERED

    bus.subscribe(outbox.deliver_events, DELIVERED, when="in_transaction", batches=True, name="webhooks.outbox")

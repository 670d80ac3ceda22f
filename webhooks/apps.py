from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the jobs; have every process write the deliveries of the events that it appends, with them."""
        from webhooks import dispatch, operation_jobs
        from webhooks.sender import deliver
        from workflow_platform.jobs import register

        register(dispatch.KIND, deliver, "high")
        register(operation_jobs.KIND, operation_jobs.work, "low")
        subscribe()


def subscribe() -> None:
    """Let the outbox hear of the events of workspaces, in their transactions."""
    from events import bus
    from events.event_types import CATALOGUE
    from webhooks import outbox

    told = [name for name in CATALOGUE if not name.startswith("system.")]
    bus.subscribe(outbox.deliver_events, told, when="in_transaction", batches=True, name="webhooks.outbox")

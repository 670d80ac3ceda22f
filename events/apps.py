from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell workers and scheduler what there is to do for replays."""
        from events.replay import jobs, sending
        from workflow_platform import jobs as rq_jobs
        from workflow_platform import sweeps

        rq_jobs.register(jobs.KIND, sending.send, "low")
        sweeps.register("replays to send", jobs.sweep_due, 0.25)
        sweeps.register("expired replays", jobs.sweep_expired, 60.0)

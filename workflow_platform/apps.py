from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "workflow_platform"
    label = "platform"

    def ready(self) -> None:
        from workflow_platform import checks  # noqa: F401 - registers them

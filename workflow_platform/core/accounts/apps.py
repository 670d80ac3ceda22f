from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "workflow_platform.core.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the OpenAPI description of bearer tokens."""
        from workflow_platform.core.accounts import schema  # noqa: F401 - needs the settings, hence not at the top

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "workflow_platform.core.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

"""The columns of the list of executions that a user has chosen."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ColumnChoice(models.Model):
    """The columns that the list shows to a user, unless a saved view has its own."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    columns = models.JSONField(default=list, help_text="Names in the order of executions.listing.columns.")

    def __str__(self) -> str:
        return ", ".join(self.columns)

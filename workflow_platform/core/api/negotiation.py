"""The format of API responses."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer


class Negotiation(DefaultContentNegotiation):
    """An unknown `?format=` is a 400 that names the formats, not a 404."""

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:
        """Return the renderers of a format. Raises ValidationError."""
        available = list(renderers)
        matching = [renderer for renderer in available if renderer.format == format]
        if not matching:
            known = ", ".join(str(renderer.format) for renderer in available)
            raise ValidationError({"format": [f"Unknown format. Known formats: {known}."]})
        return matching

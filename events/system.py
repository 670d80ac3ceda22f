"""Events of the installation itself, on the stream `system`, which staff may watch."""

from __future__ import annotations

from django.db import transaction

from events import log
from events.log import NewEvent
from events.models import SYSTEM, Stream


@transaction.atomic
def tell(type_: str, *, source: str, component: str, message: str, figures: dict[str, float] | None = None) -> None:
    """Append `system.<type_>`: what happened to which component, in words and figures."""
    stream_id = Stream.objects.values_list("pk", flat=True).get(name=SYSTEM)
    data = {"component": component, "message": message, "figures": figures or {}}
    log.append([NewEvent(stream_id, f"system.{type_}", data, source)])

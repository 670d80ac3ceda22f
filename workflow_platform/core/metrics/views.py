"""`/metrics`: the metrics of the whole installation, from whichever web process answers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from workflow_platform.core.accounts import metrics_access
from workflow_platform.core.metrics import exposition


def show(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics, to those who may read them."""
    if (refusal := metrics_access.metrics_refusal(request)) is not None:
        return refusal
    return HttpResponse(exposition.text(exposition.families()), content_type=exposition.CONTENT_TYPE)

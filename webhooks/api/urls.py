from django.urls import path
from rest_framework.routers import SimpleRouter

from webhooks.api.deliveries import DeliveryViewSet
from webhooks.api.endpoints import EndpointViewSet
from webhooks.api.inbound import InboundViewSet
from webhooks.api.operations import OperationViewSet
from webhooks.api.policies import RetryPresetsView, RetryPreviewView
from webhooks.api.reconciliation import ReconciliationViewSet

router = SimpleRouter()
router.register("webhooks/endpoints", EndpointViewSet, basename="endpoint")
router.register("webhooks/deliveries", DeliveryViewSet, basename="delivery")
router.register("webhooks/operations", OperationViewSet, basename="operation")
router.register("webhooks/inbound", InboundViewSet, basename="inbound")
router.register("webhooks/reconciliation", ReconciliationViewSet, basename="reconciliation")

urlpatterns = [
    path("webhooks/retry-presets/", RetryPresetsView.as_view(), name="retry-presets"),
    path("webhooks/retry-presets/preview/", RetryPreviewView.as_view(), name="retry-preview"),
    *router.urls,
]

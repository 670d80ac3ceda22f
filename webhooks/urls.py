from django.urls import path

from webhooks.pages import deliveries, endpoints, inbound, reconciliation

urlpatterns = [
    path("webhooks/", endpoints.endpoints, name="webhooks"),
    path("webhooks/endpoints/<uuid:endpoint_id>/", endpoints.endpoint, name="webhook-endpoint"),
    path("webhooks/deliveries/", deliveries.deliveries, name="webhook-deliveries"),
    path("webhooks/deliveries/<uuid:delivery_id>/", deliveries.delivery, name="webhook-delivery"),
    path("webhooks/deliveries/<uuid:delivery_id>/state/", deliveries.delivery_state, name="webhook-delivery-state"),
    path("webhooks/inbound/", inbound.inbound, name="webhook-inbound"),
    path("webhooks/inbound/<uuid:request_id>/", inbound.inbound_request, name="webhook-inbound-request"),
    path("webhooks/reconciliation/", reconciliation.reconciliation, name="webhook-reconciliation"),
]

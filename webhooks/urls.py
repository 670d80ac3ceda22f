from django.urls import path

from webhooks import delivery_pages, inbound_pages, pages

urlpatterns = [
    path("webhooks/", pages.endpoints, name="webhooks"),
    path("webhooks/endpoints/<uuid:endpoint_id>/", pages.endpoint, name="webhook-endpoint"),
    path("webhooks/deliveries/", delivery_pages.deliveries, name="webhook-deliveries"),
    path("webhooks/deliveries/<uuid:delivery_id>/", delivery_pages.delivery, name="webhook-delivery"),
    path("webhooks/deliveries/<uuid:delivery_id>/state/", delivery_pages.delivery_state, name="webhook-delivery-state"),
    path("webhooks/inbound/", inbound_pages.inbound, name="webhook-inbound"),
    path("webhooks/inbound/<uuid:request_id>/", inbound_pages.inbound_request, name="webhook-inbound-request"),
    path("webhooks/reconciliation/", pages.reconciliation, name="webhook-reconciliation"),
]

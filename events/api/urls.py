from django.urls import path
from rest_framework.routers import SimpleRouter

from events.api.replays import ReplayView, ReplayViewSet

router = SimpleRouter()
router.register("events/replays", ReplayViewSet, basename="replay")

urlpatterns = [
    path("events/replay/", ReplayView.as_view(), name="replay"),
    *router.urls,
]

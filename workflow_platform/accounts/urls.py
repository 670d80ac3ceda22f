from django.urls import include, path
from rest_framework.routers import SimpleRouter

from workflow_platform.accounts.login_views import MeView, TokenRefreshView, TokenView
from workflow_platform.accounts.views import ApiTokenViewSet, MemberViewSet, WorkspaceViewSet

router = SimpleRouter()
router.register("workspaces", WorkspaceViewSet, basename="workspace")
router.register(r"workspaces/(?P<workspace_id>[0-9a-fA-F-]{36})/members", MemberViewSet, basename="member")
router.register("tokens", ApiTokenViewSet, basename="api-token")

urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/me/", MeView.as_view(), name="me"),
    path("", include(router.urls)),
]

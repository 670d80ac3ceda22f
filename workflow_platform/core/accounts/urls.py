from django.urls import include, path
from rest_framework.routers import SimpleRouter

from workflow_platform.core.accounts.account_views import (
    AccountView,
    EndSessionsView,
    PasswordView,
    SessionsView,
    SessionView,
)
from workflow_platform.core.accounts.audit_views import AuditViewSet
from workflow_platform.core.accounts.invitation_views import AcceptView, InvitationViewSet, OfferView
from workflow_platform.core.accounts.login_views import MeView, TokenRefreshView, TokenRevokeView, TokenView
from workflow_platform.core.accounts.session_views import BrowserSessionView
from workflow_platform.core.accounts.views import ApiTokenViewSet, MemberViewSet, WorkspaceViewSet

WORKSPACE = r"workspaces/(?P<workspace_id>[0-9a-fA-F-]{36})"

router = SimpleRouter()
router.register("workspaces", WorkspaceViewSet, basename="workspace")
router.register(f"{WORKSPACE}/members", MemberViewSet, basename="member")
router.register(f"{WORKSPACE}/invitations", InvitationViewSet, basename="invitation")
router.register(f"{WORKSPACE}/audit", AuditViewSet, basename="audit-entry")
router.register("tokens", ApiTokenViewSet, basename="api-token")

urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/revoke/", TokenRevokeView.as_view(), name="token-revoke"),
    path("session/", BrowserSessionView.as_view(), name="session"),
    path("auth/me/", MeView.as_view(), name="me"),
    path("account/", AccountView.as_view(), name="account"),
    path("account/password/", PasswordView.as_view(), name="account-password"),
    path("account/end-sessions/", EndSessionsView.as_view(), name="account-end-sessions"),
    path("account/sessions/", SessionsView.as_view(), name="account-sessions"),
    path("account/sessions/<uuid:session_id>/", SessionView.as_view(), name="account-session"),
    path("invitations/<str:token>/", OfferView.as_view(), name="offer"),
    path("invitations/<str:token>/accept/", AcceptView.as_view(), name="accept-invitation"),
    path("", include(router.urls)),
]

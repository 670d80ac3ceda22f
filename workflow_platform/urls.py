"""Every address of the platform; `/ws/` is in `events/streaming/routing.py`."""

from django.contrib import admin
from django.urls import include, path
from django_rq import urls as queue_urls
from drf_spectacular.views import SpectacularSwaggerSplitView

from events.api import asyncapi
from executions.triggers.hooks import views as hooks
from workflow_platform import health
from workflow_platform.admin import guarded
from workflow_platform.core.accounts import account_pages, workspace_pages
from workflow_platform.core.accounts.admin import change_own_password
from workflow_platform.core.accounts.invitation_pages import invitation
from workflow_platform.core.api import messages
from workflow_platform.core.metrics import views as metrics
from workflow_platform.core.requests.favicon import favicon
from workflow_platform.schema_view import SchemaView

admin.autodiscover()
messages.install()  # here and not in `apps.ready`: only processes that answer requests load the REST framework
urlpatterns = [
    path("admin/rq/", include((guarded(queue_urls.urlpatterns), queue_urls.app_name))),
    path("admin/password_change/", change_own_password),
    path("admin/", admin.site.urls),
    path("api/", include("workflow_platform.core.accounts.urls")),
    path("api/", include("events.api.urls")),
    path("api/", include("webhooks.api.urls")),
    path("api/", include("executions.api.urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/asyncapi/", asyncapi.show, name="asyncapi"),
    path("hooks/resume/<uuid:execution_id>/<str:signature>", hooks.resume, name="resume"),
    path("hooks/test/<path:path>", hooks.receive, {"test": True}, name="hook_test"),
    path("hooks/<path:path>", hooks.receive, name="hook"),
    path("favicon.ico", favicon),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.show),
    path("invitations/<str:token>/", invitation, name="invitation"),
    path("account/", account_pages.account, name="account-page"),
    path("account/tokens/", account_pages.tokens, name="tokens-page"),
    path("workspaces/", workspace_pages.workspaces, name="workspaces-page"),
    path("workspaces/choose/", workspace_pages.choose, name="choose-workspace"),
    path("workspaces/<uuid:workspace_id>/", workspace_pages.workspace, name="workspace-page"),
    path("", include("events.urls")),
    path("", include("webhooks.urls")),
    path("", include("executions.urls")),
]

handler400 = "workflow_platform.core.api.problems.handler400"
handler403 = "workflow_platform.core.api.problems.handler403"
handler404 = "workflow_platform.core.api.problems.handler404"
handler500 = "workflow_platform.core.api.problems.handler500"

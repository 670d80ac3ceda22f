from django.contrib.auth import views as auth
from django.urls import path

from executions import approval_pages, credential_pages, pages
from executions.hooks import pages as hook_pages
from executions.traces import pages as trace_pages
from workflow_platform.accounts.forms import LoginForm

login = auth.LoginView.as_view(
    template_name="accounts/login.html", authentication_form=LoginForm, redirect_authenticated_user=True
)

urlpatterns = [
    path("", pages.dashboard, name="dashboard"),
    path("workflows/", pages.workflows, name="workflows"),
    path("workflows/<uuid:workflow_id>/", pages.workflow, name="workflow"),
    path("workflows/<uuid:workflow_id>/hook-requests/", hook_pages.hook_requests, name="hook-requests"),
    path("executions/rows/", pages.rows, name="execution-rows"),
    path("executions/<uuid:execution_id>/", pages.monitor, name="monitor"),
    path("executions/<uuid:execution_id>/queue/", pages.queue, name="execution-queue"),
    path("executions/<uuid:execution_id>/trace/", trace_pages.trace_page, name="execution-trace"),
    path("trace/", trace_pages.find, name="trace-page"),
    path("approvals/", approval_pages.page, name="approvals"),
    path("credentials/", credential_pages.credentials, name="credentials"),
    path("login/", login, name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
]

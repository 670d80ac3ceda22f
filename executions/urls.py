from django.contrib.auth import views as auth
from django.urls import path

from executions.pages import (
    approvals,
    credentials,
    dashboard,
    failures,
    insights,
    insights_now,
    notifications,
    workflows_and_executions,
)
from executions.traces import pages as trace_pages
from executions.triggers.hooks import pages as hook_pages
from workflow_platform.core.accounts.forms import LoginForm

login = auth.LoginView.as_view(
    template_name="accounts/login.html", authentication_form=LoginForm, redirect_authenticated_user=True
)

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("workflows/", workflows_and_executions.workflows, name="workflows"),
    path("workflows/<uuid:workflow_id>/", workflows_and_executions.workflow, name="workflow"),
    path("workflows/<uuid:workflow_id>/hook-requests/", hook_pages.hook_requests, name="hook-requests"),
    path("executions/rows/", dashboard.rows, name="execution-rows"),
    path("executions/failures/", failures.failures, name="failures"),
    path("executions/count/", dashboard.count, name="execution-count"),
    path("executions/<uuid:execution_id>/", workflows_and_executions.monitor, name="monitor"),
    path("executions/<uuid:execution_id>/queue/", workflows_and_executions.queue, name="execution-queue"),
    path("executions/<uuid:execution_id>/trace/", trace_pages.trace_page, name="execution-trace"),
    path("trace/", trace_pages.find, name="trace-page"),
    path("approvals/", approvals.page, name="approvals"),
    path("insights/", insights.page, name="insights"),
    path("insights/now/", insights_now.panel, name="insights-now"),
    path("notifications/", notifications.page, name="notifications"),
    path("notifications/emails/<str:token>/", notifications.stop_emails, name="notification-emails"),
    path("credentials/", credentials.credentials, name="credentials"),
    path("login/", login, name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
]

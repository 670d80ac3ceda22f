from django.urls import path
from rest_framework.routers import SimpleRouter

from executions.api.approvals import ApprovalViewSet
from executions.api.binaries import BinaryView
from executions.api.bulk_operations import BulkOperationViewSet
from executions.api.credentials import CredentialTypesView, CredentialViewSet
from executions.api.executions import ExecutionViewSet
from executions.api.insights import AutomaticAdviceView, InsightViewSet
from executions.api.list_columns import ColumnsView
from executions.api.metrics import InstallationMetricsView
from executions.api.node_groups import NodeGroupsView
from executions.api.notification_preferences import NotificationPreferencesView
from executions.api.notifications import NotificationViewSet
from executions.api.saved_views import SavedViewViewSet
from executions.api.schedules import PreviewView
from executions.api.search import SearchView
from executions.api.statistics import WorkflowStatisticsView
from executions.api.traces import TraceView
from executions.api.workflows import NodeTypesView, WorkflowViewSet

router = SimpleRouter()
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("credentials", CredentialViewSet, basename="credential")
router.register("executions/views", SavedViewViewSet, basename="saved-view")
router.register("executions/bulk", BulkOperationViewSet, basename="bulk-operation")
router.register("executions", ExecutionViewSet, basename="execution")
router.register("approvals", ApprovalViewSet, basename="approval")
router.register("insights", InsightViewSet, basename="insight")
router.register("notifications", NotificationViewSet, basename="notification")

urlpatterns = [
    path("account/notifications/", NotificationPreferencesView.as_view(), name="account-notifications"),
    path("metrics/", InstallationMetricsView.as_view(), name="installation-metrics"),
    path("node-types/", NodeTypesView.as_view(), name="node-types"),
    path("executions/<uuid:execution_id>/binaries/<uuid:reference>/", BinaryView.as_view(), name="execution-binary"),
    path("executions/columns/", ColumnsView.as_view(), name="list-columns"),
    path("workflows/<uuid:workflow_id>/statistics/", WorkflowStatisticsView.as_view(), name="workflow-statistics"),
    path("workflows/<uuid:workflow_id>/node-groups/", NodeGroupsView.as_view(), name="node-groups"),
    path("workspaces/<uuid:workspace_id>/automatic-advice/", AutomaticAdviceView.as_view(), name="automatic-advice"),
    path("search/", SearchView.as_view(), name="search"),
    path("trace/", TraceView.as_view(), name="trace"),
    path("schedules/preview/", PreviewView.as_view(), name="schedule-preview"),
    path("credential-types/", CredentialTypesView.as_view(), name="credential-types"),
    *router.urls,
]

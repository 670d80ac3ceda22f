"""The words of ended executions, for PostgreSQL's text search."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db import models

from executions.models.execution import Execution
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet


class WordsQuery(SearchQuery):
    """A `tsquery` as PostgreSQL writes it, from `executions.domain.search_words.search_query`."""

    template = "(%(expressions)s)::tsquery"


class SearchDocumentQuerySet(WorkspaceScopedQuerySet["SearchDocument"]):
    workspace_path = "execution__workspace"


class SearchDocument(models.Model):
    """What an ended execution is found by: words of its input, outputs and error, its workspace, and the nodes that ran
    (executions.domain.search_words). Written after its end by `executions.search`."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, primary_key=True, related_name="+")
    document = SearchVectorField()

    objects = SearchDocumentQuerySet.as_manager()

    class Meta:
        indexes = [GinIndex(fields=["document"], name="execution_by_words")]

    def __str__(self) -> str:
        return str(self.execution_id)

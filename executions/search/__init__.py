"""The index of the words in executions: filled after their end, away from the engine; `executions.listing` reads it.

Other packages use `Indexer`.
"""

from executions.search.indexer import Indexer

__all__ = ["Indexer"]

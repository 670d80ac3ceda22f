from tests.integration.conftest import engine_is_quiet, history_is_true

__all__ = ["engine_is_quiet", "history_is_true"]

from tests.integration.conftest import history_is_true

__all__ = ["history_is_true"]

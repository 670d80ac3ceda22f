"""What the tests in this process share with the integration tests."""

from tests.integration.conftest import engine_is_quiet, plain_static_files, quick_passwords

__all__ = ["engine_is_quiet", "plain_static_files", "quick_passwords"]

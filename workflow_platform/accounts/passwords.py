"""The name under which a session keeps the backend that logged its user in; renaming it would log everyone out."""

from workflow_platform.core.accounts.passwords import PasswordBackend

__all__ = ["PasswordBackend"]

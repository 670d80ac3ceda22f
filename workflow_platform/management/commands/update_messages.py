"""Updates the catalogues of the pages' texts, and compiles them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from workflow_platform.core.translations import catalogues


class Command(BaseCommand):
    help = "Updates the catalogues in workflow_platform/locale with the texts of the code, and compiles them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--check", action="store_true", help="Write nothing. Fail if a catalogue is not up to date and complete."
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        """Run the command."""
        problems: list[str] = []
        for language, _ in settings.LANGUAGES:
            if language == settings.LANGUAGE_CODE:
                continue
            for domain in catalogues.DOMAINS:
                catalogue = catalogues.updated(language, domain)
                for path, content in catalogues.files_of(language, domain, catalogue).items():
                    if check and (not path.exists() or path.read_bytes() != content):
                        problems.append(f"{path} is out of date. Run `manage.py update_messages`.")
                    elif not check:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(content)
                problems += [f"{language}/{domain}.po: {fault}." for fault in catalogues.faults(catalogue)]
        if check and problems:
            raise CommandError("\n".join(problems))
        for problem in problems:
            self.stdout.write(problem)

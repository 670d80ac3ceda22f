"""`manage.py import_events`: a stream from the file that export_events wrote."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.transfer.importing import CannotImport, import_stream
from workflow_platform.core.accounts.models import Workspace


class Command(BaseCommand):
    help = "Bring in a stream with its ids, times and sequences: all of it, or, if a line is wrong, nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="compressed or not")
        parser.add_argument("--workspace", required=True, metavar="SLUG", help="whose members will see it")
        parser.add_argument("--as", dest="name", metavar="NAME", help="another name for the stream")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(f"--workspace: there is none with the slug {options['workspace']!r}.")
        try:
            stream = import_stream(options["file"], workspace, options["name"])
        except (CannotImport, OSError) as error:
            raise CommandError(f"Nothing was imported. {error}") from None
        count = stream.last_sequence - stream.removed_through
        self.stdout.write(f"{stream.name}: {count} events, up to sequence {stream.last_sequence}.")

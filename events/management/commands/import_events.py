"""`manage.py import_events`: a stream from the file that export_events wrote."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.transfer.importing import CannotImport, import_stream
from workflow_platform.core.accounts.command_options import workspace_of


class Command(BaseCommand):
    help = "Import a stream with its ids, times and sequence numbers. If any line is invalid, nothing is imported."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="file from export_events, compressed or not")
        parser.add_argument(
            "--workspace", required=True, metavar="SLUG", help="workspace that the stream belongs to from now on"
        )
        parser.add_argument("--as", dest="name", metavar="NAME", help="import the stream under another name")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = workspace_of(options["workspace"])
        try:
            stream = import_stream(options["file"], workspace, options["name"])
        except (CannotImport, OSError) as error:
            raise CommandError(f"Nothing was imported. {error}") from None
        count = stream.last_sequence - stream.removed_through
        self.stdout.write(f"{stream.name}: {count} events, up to sequence {stream.last_sequence}.")

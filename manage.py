#!/usr/bin/env python
"""Django's command line for the workflow platform."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
    from workflow_platform.core import garbage_collection

    garbage_collection.pause_while_loading()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

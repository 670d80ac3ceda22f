"""The part of `make check` that needs servers: migrations, catalogues of texts, deployment checks, OpenAPI."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.servers import servers

COMMANDS = (
    ["makemigrations", "--check", "--dry-run"],
    ["update_messages", "--check"],
    ["check", "--deploy", "--fail-level", "WARNING"],
    ["spectacular", "--file", os.devnull, "--validate"],
)


def main() -> int:
    with servers():
        environment = os.environ | {
            "HTTPS": "true",
            "HOOKS_HOST": "hooks.example.net",
            "SECRET_KEY": "".join(chr(48 + i % 70) for i in range(3, 80)),
        }
        return max(
            subprocess.run([sys.executable, "manage.py", *words], env=environment, check=False).returncode
            for words in COMMANDS
        )


if __name__ == "__main__":
    sys.exit(main())

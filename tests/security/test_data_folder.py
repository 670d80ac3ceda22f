"""The data folder of an installation that older versions left open; `tests/integration/test_up.py` has a real one."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from tests import started_servers
from workflow_platform.installation import embedded
from workflow_platform.installation.data_folder import close_to_others
from workflow_platform.installation.embedded import server_user


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_the_platform_keeps_is_closed_and_nothing_else_is_touched(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    elsewhere.write_text("somebody else's")
    elsewhere.chmod(0o644)
    for folder in ("logs", "redis", "static", "postgres"):
        (data / folder).mkdir(parents=True)
        (data / folder).chmod(0o755)
    for file in ("secret_key", "supervisord.conf", "logs/web-0.log", "logs/web-0.log.1"):
        (data / file).touch()
        (data / file).chmod(0o664)
    (data / "logs" / "linked.log").symlink_to(elsewhere)
    data.chmod(0o755)

    assert close_to_others(data) == []
    assert {mode(data / name) for name in (".", "logs", "redis", "static")} == {0o700}
    assert {mode(data / name) for name in ("secret_key", "supervisord.conf", "logs/web-0.log.1")} == {0o600}
    assert mode(data / "postgres") == 0o755  # PostgreSQL's own affair
    assert mode(elsewhere) == 0o644


def test_a_shared_folder_stays_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "secret_key").touch()
    (tmp_path / "secret_key").chmod(0o644)
    assert close_to_others(tmp_path) == []
    assert (mode(tmp_path), mode(tmp_path / "secret_key")) == (0o1777, 0o600)


def test_postgresqls_user_passes_through_by_its_group_alone() -> None:
    user = server_user()
    if user is None or not (started_servers.folder / "postgres").exists():
        return  # PostgreSQL runs as the same user, or is somebody else's server
    folder = started_servers.folder / "passed-through"
    embedded._let_pass(folder, user)
    found = folder.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o710, pwd.getpwnam(user).pw_gid)
    assert found.st_uid == os.geteuid()

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JupyterHub's database follows the list of people: the JupyterHub of the lab's image with the role's configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apiserver import cache

FILES = Path(__file__).resolve().parents[3] / "roles/kubeflow/files"
#: Starts the hub up to where it would listen, makes a token for each person if asked to, and tells what it knows.
PROGRAM = """
import asyncio, json, sys
from jupyterhub import orm, scopes
from jupyterhub.app import JupyterHub

async def main(config, wanted):
    hub = JupyterHub(config_file=config, log_level=40)
    await hub.initialize([])
    people = list(hub.db.query(orm.User))
    for user in people:
        for _number in range(wanted == "tokens"):
            user.new_api_token()
    told = {
        user.name: {
            "admin": user.admin,
            "roles": sorted(role.name for role in user.roles),
            "session": user.cookie_id,
            "tokens": len(user.api_tokens),
            "rules": any("admin:users" in scopes.get_scopes_for(token) for token in user.api_tokens),
            "welcome": user.name not in hub.authenticator.blocked_users,
        }
        for user in people
    }
    print(json.dumps(told))

asyncio.run(main(*sys.argv[1:]))
"""
Starts = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, str]]:
    """The image's Python with JupyterHub, by its own linker: the command and its environment."""
    root = tmp_path_factory.mktemp("image")
    for name in ("layer-python", "layer-jupyterhub", "layer-hub"):
        built = sorted(cache().glob(f"artifacts/{name}/*/layer.tar.gz"), key=lambda file: file.stat().st_mtime)
        if not built:
            pytest.skip(f"{name} is not built: lab/software/build image-jupyterhub")
        subprocess.run(["tar", "--extract", "--file", built[-1], "--directory", root], check=True)
    [libraries] = root.glob("usr/lib/*-linux-gnu")
    [linker] = libraries.glob("ld-linux-*.so.*")
    [interpreter] = root.glob("usr/bin/python3.*[0-9]")
    [packages] = root.glob("usr/local/lib/python3.*/dist-packages")
    home = {"PYTHONHOME": f"{root}/usr", "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
    return [str(linker), "--library-path", str(libraries), str(interpreter)], {"PATH": os.environ["PATH"], **home}


@pytest.fixture
def start(python: tuple[list[str], dict[str, str]], tmp_path: Path) -> Starts:
    """`start(people…, tokens=True)` → what the hub knows of each person once it has started with this list."""
    shutil.copy(FILES / "jupyterhub_config.py", tmp_path)
    for name in ("secrets/cookie-secret", "secrets/proxy-token", "passwords/ada"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    settings = {
        **dict.fromkeys(("namespace", "notebook_image", "model_url"), ""),
        "base_url": "/jupyterhub/",
        "database": f"sqlite:///{tmp_path}/hub.sqlite",
        "idle_seconds": 3600,
        "notebook_cpu": 0.1,
        "notebook_memory": "128M",
        "notebook_memory_limit": "1G",
        "notebook_storage": "1Gi",
        "start_timeout": 60,
    }

    def run(*people: str, tokens: bool = False) -> dict[str, Any]:
        (tmp_path / "settings.json").write_text(json.dumps({**settings, "users": people}))
        command, environment = python
        words = [*command, "-c", PROGRAM, str(tmp_path / "jupyterhub_config.py"), "tokens" if tokens else ""]
        done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return run


@pytest.mark.lab
def test_the_first_of_the_list_is_the_only_administrator_whoever_was_it_before(start: Starts) -> None:
    before = start("ada", "grace", tokens=True)
    assert {name: (one["admin"], one["rules"]) for name, one in before.items()} == {
        "ada": (True, True),
        "grace": (False, False),
    }
    after = start("grace", "ada")
    assert {name: (one["admin"], one["rules"]) for name, one in after.items()} == {
        "ada": (False, False),
        "grace": (True, True),
    }
    assert (after["ada"]["roles"], after["grace"]["roles"]) == (["user"], ["admin", "user"])
    assert [one["tokens"] for one in after.values()] == [1, 1]
    assert all(after[name]["session"] == before[name]["session"] for name in before), "nobody has to log in again"


@pytest.mark.lab
def test_who_is_taken_out_of_the_list_has_no_rights_no_token_and_no_session(start: Starts) -> None:
    before = start("ada", "grace", tokens=True)
    after = start("grace")
    gone = after["ada"]
    assert gone == {**gone, "admin": False, "roles": [], "tokens": 0, "welcome": False}
    assert gone["session"] != before["ada"]["session"], "a browser's cookie names it"
    assert after["grace"] == {**before["grace"], "admin": True, "roles": ["admin", "user"], "rules": True}
    back = start("grace", "ada")["ada"]
    assert back == {**back, "admin": False, "roles": ["user"], "tokens": 0, "welcome": True}

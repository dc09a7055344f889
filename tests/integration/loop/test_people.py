# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's kubeconfigs, signed by a real kube-controller-manager, used with a real kubectl."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer, program
from loop_api import PEOPLE, ROOT, push_rules, rules
from secret_scan import secrets_in

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def signing(api: ApiServer) -> Iterator[ApiServer]:
    """The API server with what signs certificates, and nothing else of the controllers."""
    with open(api.path("controllers.log"), "wb") as log:
        controllers = subprocess.Popen(
            [
                program("kube-controller-manager"),
                f"--kubeconfig={api.kubeconfig}",
                "--controllers=certificatesigningrequest-signing-controller",
                f"--cluster-signing-cert-file={api.path('ca.crt')}",
                f"--cluster-signing-key-file={api.path('ca.key')}",
                "--leader-elect=false",
                "--secure-port=0",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield api
    finally:
        controllers.kill()
        controllers.wait()
        api.kubectl("delete", "secrets", "-n", "loop", "--all")


def give(api: ApiServer, folder: Path, names: list[str], check: bool = False, **more: Any) -> tuple[dict, str]:
    """The module in a play, at -vvv with --diff: its result, and all that was printed."""
    seen = folder.parent / "seen.json"
    options = {
        "kubeconfig": api.kubeconfig,
        "folder": str(folder),
        "people": [person for person in PEOPLE if person["name"] in names],
        **more,
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"name": "People", "bramble.kube.loop_people": options, "register": "seen", "check_mode": check},
            {"ansible.builtin.copy": {"content": "{{ seen | to_json }}", "dest": str(seen), "mode": "0600"}},
        ],
    }
    playbook = folder.parent / "play.yml"
    playbook.write_text(json.dumps([play]))
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        *("-vvv", "--diff", "-i", "localhost,", "-c", "local"),
        *("-e", f"ansible_python_interpreter={sys.executable}", str(playbook)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return json.loads(seen.read_text()), printed


def kubectl(kubeconfig: Path, *arguments: str) -> str:
    command = [program("kubectl"), f"--kubeconfig={kubeconfig}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_life_of_peoples_access(signing, people, ready, tmp_path):
    folder = tmp_path / "people"
    would, _printed = give(signing, folder, ["ada", "ben"], check=True)
    assert would["changed"] and would["kubeconfigs"] == {"ada": "created", "ben": "created"} == would["passwords"]
    assert not folder.exists() and "NotFound" in signing.kubectl(
        "get", "secret", "desk-logins", "-n", "loop", check=False
    )

    made, printed = give(signing, folder, ["ada", "ben"])
    assert made["changed"] and made["kubeconfigs"] == would["kubeconfigs"]
    files = {name: folder / f"{name}.kubeconfig" for name in ("ada", "ben")}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o600}
    secret = json.loads(signing.kubectl("get", "secret", "desk-passwords", "-n", "loop", "-o", "json"))
    passwords = {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
    keys = [json_key(file) for file in files.values()]
    assert secrets_in(printed, known=[*passwords.values(), *keys]) == []

    # Each is who they are, by kubectl and without the administrator's kubeconfig.
    assert kubectl(files["ada"], "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == "ada"
    release = ready()
    patch = json.dumps(
        {
            "spec": {
                "decision": {
                    "verdict": "refused",
                    "by": "ben",
                    "reason": "too many wrong threes",
                    "at": "2026-01-02T03:04:05Z",
                }
            }
        }
    )
    assert "Only a reviewer may decide; ada is trainer." in kubectl(
        files["ada"], "patch", "release", release, "--type=merge", "-p", patch.replace('"ben"', '"ada"')
    )
    assert "patched" in kubectl(files["ben"], "patch", "release", release, "--type=merge", "-p", patch)
    assert "Forbidden" in kubectl(files["ben"], "get", "secrets")
    assert signing.kubectl("get", "csr", "-o", "name") == ""

    again, _printed = give(signing, folder, ["ada", "ben"])
    assert not again["changed"] and again["kubeconfigs"] == again["passwords"] == {}

    # A file that others can read, a password of which the hash is gone, and one who leaves
    files["ada"].chmod(0o644)
    signing.kubectl(
        "patch", "secret", "desk-logins", "-n", "loop", "--type=json", "-p", '[{"op": "remove", "path": "/data/ada"}]'
    )
    (folder / "mine.kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    before = files["ada"].read_text()
    left, _printed = give(signing, folder, ["ada"])
    assert left["changed"] and left["kubeconfigs"] == {"ben": "removed"}
    assert left["passwords"] == {"ada": "created", "ben": "removed"}
    assert files["ada"].read_text() == before and stat.S_IMODE(files["ada"].stat().st_mode) == 0o600
    assert sorted(os.listdir(folder)) == ["ada.kubeconfig", "mine.kubeconfig"]
    for name in ("desk-logins", "desk-passwords"):
        data = json.loads(signing.kubectl("get", "secret", name, "-n", "loop", "-o", "json"))["data"]
        assert list(data) == ["ada"]


def json_key(file: Path) -> str:
    """The private key in a kubeconfig, as it stands there."""
    return file.read_text().split("client-key-data: ")[1].split()[0]


def test_a_certificate_of_which_little_is_left_is_renewed(signing, tmp_path, monkeypatch):
    from datetime import datetime, timedelta, timezone

    from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
    from ansible_collections.bramble.kube.plugins.module_utils.loop import people

    options = {"people": PEOPLE[:1], "folder": str(tmp_path), "days": 2, "kubeconfig": signing.kubeconfig}
    people.run(System(), options, False)
    file = tmp_path / "ada.kubeconfig"

    class Later(datetime):
        days = 0.0

        @classmethod
        def now(cls, zone: Any = None) -> datetime:
            return datetime.now(timezone.utc) + timedelta(days=cls.days)

    monkeypatch.setattr(people, "datetime", Later)
    first = file.read_text()
    for days, renewed in ((1.3, {}), (1.4, {"ada": "renewed"})):
        Later.days = days
        result = people.run(System(), options, True)
        assert result["kubeconfigs"] == renewed and file.read_text() == first
    result = people.run(System(), options, False)
    assert result["kubeconfigs"] == {"ada": "renewed"} and file.read_text() != first


def test_who_left_the_list_has_a_certificate_and_no_right(signing, tmp_path):
    folder = tmp_path / "people"
    give(signing, folder, ["ben"])
    kept = tmp_path / "kept.kubeconfig"
    kept.write_text((folder / "ben.kubeconfig").read_text())
    try:
        push_rules(signing, rules([person for person in PEOPLE if person["name"] != "ben"]))
        give(signing, folder, ["ada"])
        assert 'User "ben" cannot list resource "releases"' in kubectl(kept, "get", "releases")
    finally:
        push_rules(signing, rules())

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster becomes one more context of a person's own kubeconfig, which is theirs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.contexts import merge, run

ADMIN = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "kubernetes", "cluster": {"server": "https://192.168.13.7:6443"}}],
    "users": [{"name": "kubernetes-admin", "user": {"client-key-data": "c2VjcmV0"}}],
    "contexts": [
        {"name": "kubernetes-admin@kubernetes", "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}
    ],
    "current-context": "kubernetes-admin@kubernetes",
}
OWN = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work:6443"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
    "preferences": {},
}


def test_what_is_there_stays() -> None:
    merged = merge(OWN, ADMIN, "bramble")
    for where in ("clusters", "users", "contexts"):
        assert merged[where][0] == OWN[where][0] and [entry["name"] for entry in merged[where]][1:] == ["bramble"]
    assert merged["contexts"][1]["context"] == {"cluster": "bramble", "user": "bramble"}
    assert merged["users"][1]["user"] == {"client-key-data": "c2VjcmV0"}
    assert merged["current-context"] == "work" and merged["preferences"] == {}


def test_again_renews_it() -> None:
    once = merge(OWN, ADMIN, "bramble")
    assert merge(once, ADMIN, "bramble") == once
    renewed = {**ADMIN, "users": [{"name": "kubernetes-admin", "user": {"client-key-data": "bmV1"}}]}
    again = merge(once, renewed, "bramble")
    assert again["users"] == [OWN["users"][0], {"name": "bramble", "user": {"client-key-data": "bmV1"}}]


def test_a_first_context_is_the_current_one(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(ADMIN))
    options = {"src": str(tmp_path / "kubeconfig"), "dest": str(tmp_path / "home/.kube/config"), "name": "bramble"}
    assert run(System(), options, True)["changed"] and not (tmp_path / "home").exists()
    assert run(System(), options, False) == {"changed": True, "path": options["dest"], "current": "bramble"}
    assert not run(System(), options, False)["changed"]
    assert stat.S_IMODE(Path(options["dest"]).stat().st_mode) == 0o600
    assert yaml.safe_load(Path(options["dest"]).read_text())["current-context"] == "bramble"


@pytest.mark.parametrize(
    ("src", "own", "sentence"),
    [
        (None, "", "site.yml writes it"),
        ("[]", "", "is not a kubeconfig"),
        ("{}", "", "no entry None in contexts"),
        (yaml.safe_dump(ADMIN), "a: [secret", "config is not YAML"),
        (yaml.safe_dump(ADMIN), "clusters: {}\nusers: 3", "something else than a list as users"),
    ],
)
def test_what_is_no_kubeconfig_is_named_and_left(tmp_path: Path, src: str | None, own: str, sentence: str) -> None:
    if src is not None:
        (tmp_path / "kubeconfig").write_text(src)
    (tmp_path / "config").write_text(own)
    with pytest.raises(Stop, match=sentence) as stopped:
        run(System(), {"src": str(tmp_path / "kubeconfig"), "dest": str(tmp_path / "config"), "name": "b"}, False)
    assert "secret" not in str(stopped.value) and (tmp_path / "config").read_text() == own

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that take a changed file up while they run."""

from __future__ import annotations

import getpass
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import config_files


def write(system: Played, path: Path, content: str, check: bool = False, **more: str) -> bool:
    entry = {"path": str(path), "content": content, "owner": getpass.getuser(), "reloads": ["keepalived"], **more}
    options = ArgumentSpecValidator(config_files.OPTIONS).validate({"files": [entry]}).validated_parameters
    return config_files.run(system, options, check)["changed"]


def test_a_changed_file_is_taken_up_and_an_unchanged_one_is_not(played: Played, tmp_path: Path) -> None:
    path, reload = tmp_path / "keepalived.conf", "systemctl try-reload-or-restart keepalived"
    assert write(played, path, "one", check=True) and played.asked == []
    assert write(played, path, "one") and played.asked == [reload]
    assert not write(played, path, "one") and played.asked == [reload]
    assert write(played, path, "two") and played.asked == [reload, reload]
    assert path.read_text() == "two"


def test_a_file_of_another_cluster_stays_as_it_is(played: Played, tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert write(played, path, "server: pi:6443", only_over="pi:6443")
    assert write(played, path, "server: pi:6443 # renewed", only_over="pi:6443")
    path.write_text("server: office:6443")
    assert not write(played, path, "server: pi:6443", only_over="pi:6443")
    assert path.read_text() == "server: office:6443"

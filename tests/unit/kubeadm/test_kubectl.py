# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kubectl a computer gets."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubectl import place


@pytest.mark.parametrize(
    ("system", "machine", "folder"),
    [
        ("Linux", "x86_64", "linux/amd64"),
        ("Linux", "aarch64", "linux/arm64"),
        ("Darwin", "arm64", "darwin/arm64"),
        ("Windows", "AMD64", "windows/amd64"),
        ("Linux", "s390x", "linux/s390x"),
    ],
)
def test_the_folder_of_a_release(system: str, machine: str, folder: str) -> None:
    assert place(system, machine) == folder

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kubeadm_init leaves on the card of a complete control plane."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.bramble.kube.plugins.modules import kubeadm_init


@pytest.fixture
def super_admin(tmp_path, monkeypatch):
    """super-admin.conf as kubeadm init leaves it."""
    path = tmp_path / "super-admin.conf"
    path.write_text("kind: Config\n")
    monkeypatch.setattr(kubeadm_init, "SUPER_ADMIN", str(path))
    return path


def test_the_credential_that_no_role_binds_goes_once(super_admin):
    assert kubeadm_init.remove_super_admin(SimpleNamespace(check_mode=False))
    assert not super_admin.exists()
    assert not kubeadm_init.remove_super_admin(SimpleNamespace(check_mode=False))


def test_check_mode_says_so_and_leaves_it(super_admin):
    assert kubeadm_init.remove_super_admin(SimpleNamespace(check_mode=True))
    assert super_admin.exists()

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a static Pod's manifest says."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import image_tag

MANIFEST = """\
spec:
  containers:
  - command: [kube-apiserver]
    image: registry.k8s.io/kube-apiserver:v1.36.3
    imagePullPolicy: IfNotPresent
"""


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (MANIFEST, "1.36.3"),
        (MANIFEST.replace("v1.36.3", "3.6.8-0"), "3.6.8-0"),
        (MANIFEST.replace("registry", "192.168.1.2:5000/registry"), "1.36.3"),
        ("", ""),
        ("\x00" * 40, ""),
    ],
)
def test_the_tag_of_a_static_pod(text, tag):
    assert image_tag(text) == tag

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CoreDNS answers for some time after it was told to end."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns as dns

KUBEADMS = ".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n}\n"


class Kubectl:
    def __init__(self, code: int = 0) -> None:
        self.code, self.calls = code, []

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.calls.append(arguments)
        return self.code, "", "no answer" if self.code else ""


def test_kubeadms_five_seconds_become_twenty() -> None:
    assert dns.patient(KUBEADMS) == KUBEADMS.replace("5s", "20s")


@pytest.mark.parametrize("chosen", ["20s", "15s", "5m", "500ms"])
def test_what_somebody_has_chosen_stays(chosen: str) -> None:
    corefile = KUBEADMS.replace("5s", chosen)
    assert dns.patient(corefile) == corefile


def test_the_rest_of_the_settings_is_sent_back_as_it_was() -> None:
    kubectl = Kubectl()
    assert dns.let_it_end_slowly(kubectl, KUBEADMS)
    (call,) = kubectl.calls
    assert json.loads(call[-1]) == {"data": {"Corefile": KUBEADMS.replace("5s", "20s")}}
    assert not dns.let_it_end_slowly(kubectl, dns.patient(KUBEADMS))
    assert not dns.let_it_end_slowly(kubectl, "")
    assert len(kubectl.calls) == 1


def test_check_mode_sends_nothing() -> None:
    kubectl = Kubectl()
    assert dns.let_it_end_slowly(kubectl, KUBEADMS, check=True)
    assert kubectl.calls == []


def test_a_failure_is_named() -> None:
    with pytest.raises(Stop, match=r"CoreDNS's settings .* could not be changed: no answer"):
        dns.let_it_end_slowly(Kubectl(1), KUBEADMS)

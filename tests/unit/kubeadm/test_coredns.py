# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CoreDNS answers for some time after it is asked to stop."""

from __future__ import annotations

import json

import pytest
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns as dns

KUBEADMS = ".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n}\n"


def test_kubeadms_five_seconds_become_twenty() -> None:
    assert dns.patient(KUBEADMS) == KUBEADMS.replace("5s", "20s")


@pytest.mark.parametrize("chosen", ["20s", "15s", "5m", "500ms"])
def test_what_somebody_has_chosen_stays(chosen: str) -> None:
    corefile = KUBEADMS.replace("5s", chosen)
    assert dns.patient(corefile) == corefile


def patched(played: Played) -> list[str]:
    return [line.partition(" patch ")[2] for line in played.asked if " patch " in line]


def test_the_rest_of_the_settings_is_sent_back_as_it_was(played: Played) -> None:
    assert dns.let_it_end_slowly(played, KUBEADMS)
    (sent,) = patched(played)
    where, _, patch = sent.partition(" --type=merge --patch ")
    assert where == "--namespace kube-system configmap coredns"
    assert json.loads(patch) == {"data": {"Corefile": KUBEADMS.replace("5s", "20s")}}
    assert not dns.let_it_end_slowly(played, dns.patient(KUBEADMS))
    assert not dns.let_it_end_slowly(played, "")
    assert len(patched(played)) == 1


def test_check_mode_sends_nothing(played: Played) -> None:
    assert dns.let_it_end_slowly(played, KUBEADMS, check=True)
    assert played.asked == []


def test_a_failure_is_named(played: Played) -> None:
    played.says(" patch ", Done(1, "", "no answer\n"))
    with pytest.raises(Stop, match=r"CoreDNS's settings .* could not be changed: no answer\."):
        dns.let_it_end_slowly(played, KUBEADMS)


def test_what_there_is_is_read(played: Played) -> None:
    played.says("get --namespace kube-system configmap coredns --ignore-not-found", KUBEADMS)
    assert dns.read(played) == KUBEADMS

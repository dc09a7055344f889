# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kubelet's journal says last."""

from __future__ import annotations

from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet_journal import last_errors, read


def test_last_errors_are_different_and_without_heads():
    journal = """I1124 03:00:00.000001    1 a.go:1] "fine"
E1124 03:00:01.000001    1 run.go:72] "command failed" err="swap is on"
E1124 03:00:02.000001    1 run.go:72] "command failed" err="swap is on"
E1124 03:00:03.000001    1 kubelet.go:9] "other"
"""
    assert last_errors(journal) == ['"command failed" err="swap is on"', '"other"']
    assert last_errors("") == []


def test_a_long_error_keeps_its_beginning_and_the_cause_at_its_end():
    told = "failed to create sandbox: " + "rpc error: " * 40 + "can't get final child's PID from pipe: EOF"
    (error,) = last_errors(
        f'E1124 11:17:35.908821 937 pod_workers.go:1324] "Error syncing pod" err="{told}" podUID="0452b7d5"'
    )
    assert error.startswith('"Error syncing pod" err="failed to create sandbox: ')
    assert error.endswith("can't get final child's PID from pipe: EOF\"")
    assert len(error) == 240


def test_the_newest_are_told_and_what_is_no_error_is_not():
    journal = "".join(f"E1124 03:00:0{n}.0 1 a.go:1] error {n}\n" for n in range(5)) + "panic: here\nstarted\n"
    assert last_errors(journal) == ["error 3", "error 4", "panic: here"]
    assert last_errors(journal, 2) == ["error 4", "panic: here"]
    assert last_errors("F1124 03:00:01.0 1 a.go:1] fatal\nError: flag\nfailed to run\n") == [
        *("fatal", "Error: flag", "failed to run")
    ]


def test_numbers_that_differ_each_time_make_no_new_error():
    first, second = "0123456789ab", "ba9876543210"
    journal = "".join(f"E1124 03:00:01.0 1 a.go:1] sandbox {one} failed\n" for one in (first, second))
    assert last_errors(journal) == ["sandbox … failed"]


def test_a_message_of_240_characters_is_whole():
    whole = "x " * 60 + "y " * 59 + "yy"
    assert last_errors(f"E1124 03:00:01.0 1 a.go:1] {whole}") == [whole]
    (cut,) = last_errors(f"E1124 03:00:01.0 1 a.go:1] {whole}y")
    assert len(cut) == 240 and cut.startswith(whole[:100] + " … ") and cut.endswith(" yyy")


def test_it_is_read_without_secrets(played: Played):
    played.says("journalctl", "token abcdef.0123456789abcdef\n")
    assert "0123456789abcdef" not in read(played)
    assert played.asked == ["journalctl --unit kubelet --boot --no-pager --lines 400 --output cat"]
    assert played.limits == [20]

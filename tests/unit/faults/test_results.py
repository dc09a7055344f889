"""The table of faults, and the sentence that is taken from a run's output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "faults"))

from results import BEGIN, END, Try, failure_of, load, record, save, table, together, write_table

STOPPED = """\
PLAY [Join the nodes] **********************************************************

TASK [bramble.kube.node : Join the cluster, all Pis at once] *******************
changed: [k8s-node1]
[ERROR]: Task failed: Module failed: kubeadm join failed: connection refused.
Origin: /x/roles/node/tasks/join.yml:31:3

fatal: [k8s-node2]: FAILED! =>
    changed: false
    msg: 'kubeadm join failed: connection
        refused.'

PLAY RECAP *********************************************************************
k8s-node2                  : ok=12   changed=3    unreachable=0    failed=1    skipped=4
"""
BLOCK = """\
fatal: [k8s-master]: FAILED! =>
    changed: false
    msg: |-
        k8s-node2 is not Ready:
        The service kubelet is failed.
    rc: 1

PLAY RECAP ***
"""
UNREACHABLE = """\
fatal: [k8s-node1]: UNREACHABLE! =>
    changed: false
    msg: 'Failed to connect to the host via ssh: ssh: connect to host 192.168.13.8 port 22: Connection refused'
    unreachable: true
"""


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (STOPPED, "kubeadm join failed: connection refused."),
        (BLOCK, "k8s-node2 is not Ready: The service kubelet is failed."),
        (
            UNREACHABLE,
            "Failed to connect to the host via ssh: ssh: connect to host 192.168.13.8 port 22: Connection refused",
        ),
        ("PLAY RECAP ***\nk8s-node1 : ok=3 changed=0\n", ""),
    ],
)
def test_the_sentence_by_which_a_run_stopped(output: str, sentence: str) -> None:
    assert failure_of(output) == sentence


def test_several_runs_add_up_in_the_table(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "tries.jsonl"
    save(file, Try("no name server", "dns-gone", True, "its name | is not known", 3.0))
    save(file, Try("kill -9", "cut 0 of seed 1", True, "", 3.0))
    save(file, Try("kill -9", "cut 1 of seed 1", False, "gone", 3.0, "lost"))
    save(file, Try("kill -9", "cut 2 of seed 7", True, "", 3.0))
    page = tmp_path / "page.md"
    page.write_text(f"head\n{BEGIN}\nold\n{END}\ntail\n")
    write_table(page, load(file))
    assert page.read_text() == f"head\n{BEGIN}\n{table(load(file))}\n{END}\ntail\n"
    assert "| no name server | 1 | 1 | its name \\| is not known |" in page.read_text()
    assert "| kill -9 | 3 | 2 | gone |" in page.read_text()
    page.write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        write_table(page, load(file))


def test_tries_of_several_places_are_counted_once(tmp_path: Path) -> None:
    one, two = Try("no name server", "dns-gone", True, "", 3.0), Try("kill -9", "cut 1 of seed 1", True, "", 3.0)
    record(tmp_path / "tries.jsonl", [one])
    assert together(load(tmp_path / "tries.jsonl"), [two, one]) == [one, two]


def test_the_table_in_the_manual_is_that_of_the_tries_in_git() -> None:
    root = Path(__file__).resolve().parents[3]
    text = (root / "docs/reliability.md").read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table(load(root / "tests/faults/tries.jsonl"))


def test_what_was_mended_and_then_survived_is_no_failure_any_more() -> None:
    lost, kept = (
        Try("kill -9", "cut 1 of seed 1", False, "", 3.0, "lost"),
        Try("kill -9", "cut 1 of seed 1", True, "", 3.0),
    )
    assert "| kill -9 | 1 | 0 |" in table([lost])
    assert "| kill -9 | 1 | 1 |" in table([lost, kept])
    assert "| kill -9 | 2 | 1 |" in table([kept, lost])

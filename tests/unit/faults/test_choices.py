"""Which power cuts chance chooses."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "faults"))

from cuts import KINDS, choose

HOSTS = {"master": ["m"], "blank": ["n2"], "any": ["m", "n1", "n2"]}


def test_a_seed_chooses_the_same_again_and_another_one_others() -> None:
    of = {seed: [choose(number, seed, HOSTS) for number in range(30)] for seed in (1, 2)}
    assert of[1] == [choose(number, 1, HOSTS) for number in range(30)]
    assert [cut.fraction for cut in of[1]] != [cut.fraction for cut in of[2]]


def test_every_playbook_is_cut_and_only_where_it_makes_sense() -> None:
    made = [choose(number, 3, HOSTS) for number in range(300)]
    assert {cut.kind for cut in made} == set(KINDS)
    for cut in made:
        assert cut.host in HOSTS[KINDS[cut.kind].hosts]
        assert 0 <= cut.fraction < 1
        assert 0 <= cut.delay <= KINDS[cut.kind].longest_delay
    assert {cut.host for cut in made if cut.kind == "site"} == {"m", "n1", "n2"}


def test_thirty_cuts_are_shared_out_over_the_four_playbooks() -> None:
    assert sum(kind.share for kind in KINDS.values()) == 30
    playbooks = {"site.yml", "playbooks/upgrade.yml", "playbooks/backup.yml", "playbooks/restore.yml"}
    assert {kind.playbook for kind in KINDS.values()} == playbooks

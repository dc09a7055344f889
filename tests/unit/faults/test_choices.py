"""Which power cuts chance chooses."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "faults"))

from cuts import KINDS, choose, kinds_missing, to_repeat
from results import Try

HOSTS = {"master": ["m"], "blank": ["n2"], "any": ["m", "n1", "n2"]}


def chosen(seed: int, count: int = 30) -> list:
    """Cuts of a first run."""
    return [choose(number, seed, kind, HOSTS) for number, kind in enumerate(kinds_missing(count, [], seed))]


def test_a_seed_chooses_the_same_again_and_another_one_others() -> None:
    assert chosen(1) == chosen(1)
    assert [cut.fraction for cut in chosen(1)] != [cut.fraction for cut in chosen(2)]
    assert [cut.kind for cut in chosen(1)] != [cut.kind for cut in chosen(2)]


def test_every_playbook_is_cut_and_only_where_it_makes_sense() -> None:
    made = chosen(3, 300)
    assert {cut.kind for cut in made} == set(KINDS)
    for cut in made:
        assert cut.host in HOSTS[KINDS[cut.kind].hosts]
        assert 0 <= cut.fraction < 1
        assert 0 <= cut.delay <= KINDS[cut.kind].longest_delay
    assert {cut.host for cut in made if cut.kind == "site"} == {"m", "n1", "n2"}


def test_thirty_cuts_are_shared_out_over_the_four_playbooks() -> None:
    assert Counter(cut.kind for cut in chosen(4)) == {name: kind.share for name, kind in KINDS.items()}
    playbooks = {"site.yml", "playbooks/upgrade.yml", "playbooks/backup.yml", "playbooks/restore.yml"}
    assert {kind.playbook for kind in KINDS.values()} == playbooks


def test_several_runs_share_out_thirty_cuts_together() -> None:
    made = [KINDS[cut.kind].title for cut in chosen(5)[:11]]
    made += [KINDS[kind].title for kind in kinds_missing(30, made, 6)]
    assert Counter(made) == {kind.title: kind.share for kind in KINDS.values()}
    assert kinds_missing(30, made, 7) == []


def test_cuts_in_one_playbook_alone() -> None:
    assert kinds_missing(5, [KINDS["restore"].title], 1, ["restore"]) == ["restore"] * 4
    assert set(kinds_missing(20, [], 1, ["restore", "site"])) == {"restore", "site"}


def test_a_cut_that_was_not_survived_is_made_once_more() -> None:
    failed = [Try(KINDS["upgrade"].title, f"cut 4 of seed {seed}", False, "", 1.0, "lost") for seed in (7, 8)]
    again = to_repeat([*failed, Try("no name server", "dns-gone", False, "", 1.0)], 7)
    assert {name: numbers for name, numbers in again.items() if numbers} == {"upgrade": [4]}

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of a Pi at a random task of a playbook; then the same command again, and the same end state as without."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from field import Field, Trouble
from lab_cluster import changes, default_release
from results import Try, failure_of

#: The release from which the upgrade is cut; the default release is its end.
OLDER = "1.36.3"


def _nothing(_field: Field) -> None:
    return


def _blank_node(field: Field) -> None:
    field.blank(field.nodes[-1])


def _blank_master(field: Field) -> None:
    field.must("playbooks/backup.yml")
    field.blank(field.master)


def _backup(field: Field) -> None:
    field.must("playbooks/backup.yml")


def _all_blank(field: Field) -> None:
    field.blank(*field.addresses)


def _older_cluster(field: Field) -> None:
    field.blank(*field.addresses)
    field.must("site.yml", "-e", f"kubeadm_version={OLDER}", "-e", '{"kubeflow_components": []}')
    field.fill()


@dataclass(frozen=True)
class Kind:
    """What is cut.

    :ivar title: of its row in the table.
    :ivar hosts: which Pis may lose power, of "master", "blank" (the node that had a new card) and "any".
    :ivar share: of thirty cuts.
    :ivar longest_delay: seconds after the beginning of the task, at most.
    :ivar prepare: brings the lab into the state from which the playbook starts.
    """

    title: str
    playbook: str
    hosts: str
    share: int
    longest_delay: float
    prepare: Callable[[Field], None] = _nothing
    arguments: tuple[str, ...] = ()


KINDS = {
    "site": Kind("kill -9 at a random task of site.yml on a finished cluster", "site.yml", "any", 4, 4),
    "site-node": Kind("kill -9 of a blank node at a random task of site.yml", "site.yml", "blank", 6, 12, _blank_node),
    "site-all": Kind(
        "kill -9 of a Pi at a random task of site.yml from blank cards", "site.yml", "any", 2, 12, _all_blank
    ),
    "backup": Kind("kill -9 of the master at a random task of backup.yml", "playbooks/backup.yml", "master", 6, 4),
    "restore": Kind(
        "kill -9 of the master at a random task of restore.yml", "playbooks/restore.yml", "master", 4, 12, _backup
    ),
    "restore-blank": Kind(
        "kill -9 of a blank master at a random task of restore.yml",
        "playbooks/restore.yml",
        "master",
        3,
        12,
        _blank_master,
    ),
    "upgrade": Kind(
        "kill -9 of a Pi at a random task of upgrade.yml",
        "playbooks/upgrade.yml",
        "any",
        5,
        12,
        _older_cluster,
        ("-e", '{"kubeflow_components": []}'),
    ),
}


@dataclass(frozen=True)
class Cut:
    """One cut as chance chose it.

    :ivar fraction: of the playbook's tasks that begin on the host, before the cut.
    """

    number: int
    seed: int
    kind: str
    host: str
    fraction: float
    delay: float

    @property
    def key(self) -> str:
        """By which a later run knows that it was made."""
        return f"cut {self.number} of seed {self.seed}"


def number_of(key: str, seed: int) -> int:
    """A cut's number among those of a seed, from its key; -1 for all other tries."""
    found = re.fullmatch(rf"cut (\d+) of seed {seed}", key)
    return int(found.group(1)) if found else -1


def to_repeat(failed: Sequence[Try], seed: int) -> dict[str, list[int]]:
    """Numbers of a seed's cuts that were not survived, by their kinds."""
    return {
        name: [number_of(one.key, seed) for one in failed if one.fault == kind.title and number_of(one.key, seed) >= 0]
        for name, kind in KINDS.items()
    }


def kinds_missing(count: int, made: Iterable[str], seed: int, only: Iterable[str] = ()) -> list[str]:
    """Share so many cuts out over the playbooks, and tell what is missing of them, in an order that chance chooses.

    :param count: of cuts in all runs together.
    :param made: titles of the cuts that were survived before, in any run.
    :param seed: of the order; for a number that is no multiple of thirty it also chooses who has one more.
    :param only: kinds to which all cuts belong; none: every kind.
    """
    chance = random.Random(seed)
    shares = [name for name, kind in KINDS.items() for _cut in range(kind.share) if not only or name in only]
    chance.shuffle(shares)
    before = Counter(made)
    missing = Counter(shares[number % len(shares)] for number in range(count))
    missing.subtract({name: before[kind.title] for name, kind in KINDS.items()})
    order = list(missing.elements())
    chance.shuffle(order)
    return order


def choose(number: int, seed: int, kind: str, hosts: dict[str, list[str]]) -> Cut:
    """Choose where a playbook is cut; the same number and seed choose the same.

    :param hosts: Pis by what :class:`Kind` calls them.
    """
    chance = random.Random(f"{seed}-{number}")
    host = chance.choice(hosts[KINDS[kind].hosts])
    delay = chance.choice([0.0, round(chance.uniform(0.2, KINDS[kind].longest_delay), 1)])
    return Cut(number, seed, kind, host, chance.random(), delay)


def hosts_of(field: Field) -> dict[str, list[str]]:
    """Which Pis a kind's word means."""
    return {"master": [field.master], "blank": [field.nodes[-1]], "any": list(field.addresses)}


def make(field: Field, cut: Cut, log: Callable[[str], None]) -> str:
    """Make the cut, run the playbook again, and look at the end state.

    :returns: what the cut run said.
    :raises Trouble: when the end state is not that of a run without a cut.
    """
    kind = KINDS[cut.kind]
    known = field.folder / f"tasks-{cut.kind}-{cut.host}"
    for _try in range(2):
        kind.prepare(field)
        count = len(known.read_text().splitlines()) if known.exists() else 60
        number = int(cut.fraction * count)
        delay = {"FAULT_DELAY": str(cut.delay)} if cut.delay else {}
        fine, output = field.broken_play(
            kind.playbook, cut.host, field.power_cut(cut.host), *kind.arguments, FAULT_NUMBER=str(number), **delay
        )
        tasks = field.tasks()
        if len(tasks) > number:
            break
        # The run had fewer tasks than thought, and so went through: now their number is known.
        known.write_text("\n".join(tasks) + "\n")
        log(f"only {len(tasks)} tasks begin on {cut.host}, so once more")
    else:
        raise Trouble(f"no task number {number} began on {cut.host}")
    said = "" if fine else failure_of(output)
    log(f"power of {cut.host} cut {cut.delay} s after task {number} began ({tasks[number]}): {said or 'it went on'}")
    field.start()
    again = field.must(kind.playbook, *kind.arguments)
    if kind.playbook == "site.yml":
        again = field.must("site.yml")
        if changes(again) != {"0"}:
            raise Trouble("a third run of site.yml still changes something")
    if kind.playbook == "playbooks/backup.yml":
        verify_newest_backup(field)
    if kind.playbook == "playbooks/upgrade.yml":
        versions = {
            n["metadata"]["name"]: n["status"]["nodeInfo"]["kubeletVersion"] for n in field.cluster.objects("nodes")
        }
        if set(versions.values()) != {f"v{default_release()}"}:
            raise Trouble(f"not all nodes have the new release: {versions}")
    if kind.prepare is _all_blank:
        field.forget()
    field.check()
    field.fill()
    return said


def verify_newest_backup(field: Field) -> None:
    """Decrypt and verify the newest backup, and see that nothing is left in the master's spool."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultSecret

    from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import ca_cert_hashes
    from ansible_collections.bramble.kube.plugins.plugin_utils import sealed

    def own_ca() -> str:
        return ca_cert_hashes(field.inside(field.master, "cat /etc/kubernetes/pki/ca.crt"))[0]

    loader = DataLoader()
    password = (field.folder / "vault-password").read_bytes().strip()
    loader.set_vault_secrets([("default", VaultSecret(password))])
    try:
        sealed.read(loader, sealed.choose(str(field.backups), field.master, own_ca))
    except sealed.SealedError as error:
        raise Trouble(str(error)) from None
    left = field.inside(field.master, "find /var/lib/bramble.kube/backup -type f 2>/dev/null || true").split()
    halves = [path.name for path in field.backups.iterdir() if path.name.endswith(".part")]
    if left or halves:
        raise Trouble(f"remains of a backup that was cut: {left + halves}")

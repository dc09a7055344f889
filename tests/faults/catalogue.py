# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything but power cuts that a cluster must survive: each fault breaks one thing, runs a playbook, and repairs it.

While the fault lasts, the run gets through, or stops with a sentence that names the cause. When the fault is gone, the
same command brings the end state, without a step by hand.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import servers
from cuts import verify_newest_backup
from field import IMPATIENT, NAMESPACE, Field, Trouble
from lab_cluster import ROOT, STATE, environment, playbook_command
from results import failure_of


@dataclass(frozen=True)
class Fault:
    """One fault.

    :ivar title: of its row in the table.
    :ivar provoke: breaks, runs, repairs; returns what the run said while the fault lasted, empty when it got through.
    :ivar names: pattern of the sentence that names the cause.
    :ivar stops: whether the run cannot get through while the fault lasts; None: it may or may not.
    :ivar playbook: which is run when the fault is gone.
    """

    title: str
    provoke: Callable[[Field], str]
    names: str = ""
    stops: bool | None = None
    playbook: str = "site.yml"


FAULTS: dict[str, Fault] = {}


def fault(title: str, **more) -> Callable:
    """Put a function into the table of faults."""

    def add(function: Callable[[Field], str]) -> Callable[[Field], str]:
        FAULTS[function.__name__.replace("_", "-")] = Fault(title, function, **more)
        return function

    return add


def make(field: Field, name: str) -> str:
    """Provoke a fault, and look at the end state.

    :returns: what the run said while it lasted.
    :raises Trouble: when the cause was not named, or the end state is not right.
    """
    one = FAULTS[name]
    said = one.provoke(field)
    if said and not re.search(one.names, said, re.IGNORECASE):
        raise Trouble(f"the run stopped, and its sentence does not name the cause: {said}")
    if one.stops is not None and bool(said) != one.stops:
        raise Trouble(f"the run {'stopped: ' + said if said else 'got through'}, which cannot be")
    field.start()
    field.must(one.playbook)
    field.check()
    return said


# Tools ---------------------------------------------------------------------------------------------------------------

#: Network faults live in a table of their own in the node's own network namespace.
TABLE = "inet faults"


def _victim(field: Field) -> str:
    return field.nodes[-1]


def _said(result: tuple[bool, str]) -> str:
    fine, output = result
    return "" if fine else failure_of(output) or output[-300:]


def _has_nft(field: Field, host: str) -> None:
    field.inside(
        host, "command -v nft >/dev/null || (apt-get -qq update && apt-get -qq -y install nftables) >/dev/null"
    )


def _out_of_the_cluster(field: Field) -> None:
    """The victim has left the cluster, and its packages and images are still there: joining is quick."""
    field.must(
        "playbooks/reset.yml",
        "--limit",
        _victim(field),
        "-e",
        f"reset_confirm={field.master}",
        "-e",
        "reset_packages=false",
    )


@contextmanager
def _while(field: Field, host: str, begin: str, end: str) -> Iterator[None]:
    """Something is broken on a Pi as long as this lasts; it is repaired also when the test fails."""
    field.inside(host, begin)
    try:
        yield
    finally:
        field.inside(host, end, check=False)


def _rules(*rules: str) -> str:
    """Script that adds rules of nft for what comes in and what goes out."""
    lines = [f"add table {TABLE}"]
    for hook in ("input", "output"):
        lines.append(f"add chain {TABLE} {hook} {{ type filter hook {hook} priority -300; }}")
    return "nft -f - <<'RULES'\n" + "\n".join([*lines, *rules]) + "\nRULES"


NO_RULES = f"nft delete table {TABLE} 2>/dev/null || true"


# Network --------------------------------------------------------------------------------------------------------------


@fault("20% of a node's packets lost while it joins", names="ssh|unreachable|timed out|time|answer")
def loss(field: Field) -> str:
    """An nft rule drops a random share of what comes in (this kind of kernel has no netem)."""
    host = _victim(field)
    _out_of_the_cluster(field)
    _has_nft(field, host)
    with _while(field, host, _rules(f"add rule {TABLE} input numgen random mod 100 < 20 drop"), NO_RULES):
        return _said(field.play("site.yml"))


@fault("100 ms delay between a node and the API server while it joins", names="time|answer", stops=False)
def delay(field: Field) -> str:
    """A proxy on the node holds back what goes to the API server and comes from it; nft sends requests through it."""
    host, master = _victim(field), field.addresses[field.master]
    _out_of_the_cluster(field)
    _has_nft(field, host)
    rules = f"""nft -f - <<'RULES'
add table ip faults-delay
add chain ip faults-delay output {{ type nat hook output priority -110; }}
add rule ip faults-delay output ip daddr {master} tcp dport 6443 meta skuid != 65534 redirect to :16443
RULES"""
    with (
        servers.delay_on(field.container(host), f"{master}:6443", 16443, 100),
        _while(field, host, rules, "nft delete table ip faults-delay"),
    ):
        return _said(field.play("site.yml"))


@fault(
    "a node cut off for 60 s in the middle of its join", names="unreachable|timed out|time|answer|connection|connect"
)
def cut_off(field: Field) -> str:
    """Nothing comes in or goes out for a minute, from two seconds after kubeadm join began."""
    host = _victim(field)
    _out_of_the_cluster(field)
    _has_nft(field, host)
    silence = _rules(f"add rule {TABLE} input drop", f"add rule {TABLE} output drop")
    command = f"docker exec -d {field.container(host)} bash -c '{silence.replace(chr(39), '')}\nsleep 60\n{NO_RULES}'"
    try:
        said = _said(field.broken_play("site.yml", host, command, FAULT_NAME="Join the cluster", FAULT_DELAY="2"))
        time.sleep(20)
        return said
    finally:
        field.inside(host, NO_RULES, check=False)


@fault("the registry gone in the middle of a pull", names="image|pull|registry", stops=True)
def registry_gone(field: Field) -> str:
    """A node without images joins; two seconds later nothing answers at the registry's port any more."""
    host = _victim(field)
    _out_of_the_cluster(field)
    _has_nft(field, host)
    field.inside(host, "ctr -n k8s.io images list -q | xargs -r ctr -n k8s.io images remove --sync >/dev/null")
    gone = _rules(f"add rule {TABLE} output tcp dport 5000 reject with tcp reset")
    command = f"docker exec {field.container(host)} bash -c '{gone.replace(chr(39), '')}'"
    try:
        return _said(field.broken_play("site.yml", host, command, FAULT_NAME="Join the cluster", FAULT_DELAY="2"))
    finally:
        field.inside(host, NO_RULES, check=False)


@fault("no name server for a blank node", names="name server|resolv|name resolution", stops=True)
def dns_gone(field: Field) -> str:
    """The name server that the Pi knows does not answer."""
    host = _victim(field)
    field.blank(host)
    nobody = "nameserver 192.0.2.53\\noptions timeout:1 attempts:1\\n"
    begin = f"cp /etc/resolv.conf /root/resolv; printf '{nobody}' > /etc/resolv.conf"
    with _while(field, host, begin, "cat /root/resolv > /etc/resolv.conf"):
        return _said(field.play("site.yml"))


@fault("the package repository answers 500", names="500|Internal Server Error|Failed to fetch", stops=True)
def apt_500(field: Field) -> str:
    """A blank node; every package of Kubernetes' repository is answered with an error."""
    field.blank(_victim(field))
    with servers.broken_repository(f"http://{field.network}.2", f"{field.network}.1", "500") as address:
        return _said(field.play("site.yml", "-e", f"kubeadm_apt_repository={address}{_repository(field)}"))


@fault(
    "the package repository sends truncated packages", names="Failed to fetch|size|Hash|truncated|closed", stops=True
)
def apt_truncated(field: Field) -> str:
    """A blank node; every package of Kubernetes' repository is cut off in the middle."""
    field.blank(_victim(field))
    with servers.broken_repository(f"http://{field.network}.2", f"{field.network}.1", "half") as address:
        return _said(field.play("site.yml", "-e", f"kubeadm_apt_repository={address}{_repository(field)}"))


def _repository(field: Field) -> str:
    minor = ".".join(field.release.split(".")[:2])
    return f"/core:/stable:/v{minor}/deb/"


# Disk -----------------------------------------------------------------------------------------------------------------


@fault("no room for packages on a blank node", names="space|room|full", stops=True)
def disk_full_node(field: Field) -> str:
    """A small disk of the node's own where apt keeps what it downloads, also after the reboot on the way."""
    host, cache = _victim(field), "/var/cache/apt/archives"
    field.blank(host)
    begin = f"echo 'tmpfs {cache} tmpfs size=12m 0 0' >> /etc/fstab; mount {cache}; mkdir -p {cache}/partial"
    with _while(field, host, begin, f"umount -l {cache}; sed -i '\\#{cache}#d' /etc/fstab"):
        return _said(field.play("site.yml"))


@fault("no room on the master for a backup", names="space|room|full", stops=True, playbook="playbooks/backup.yml")
def disk_full_master(field: Field) -> str:
    """A small disk of the master's own where the snapshot is taken; no half backup may come to the laptop."""
    spool = "/var/lib/bramble.kube/backup"
    before = field.backup_names()
    with _while(
        field, field.master, f"mkdir -p {spool} && mount -t tmpfs -o size=1m tmpfs {spool}", f"umount -l {spool}"
    ):
        said = _said(field.play("playbooks/backup.yml"))
    if field.backup_names() != before:
        raise Trouble("a backup came to the laptop although there was no room for it")
    return said


@fault("the root file system of a blank node is read-only", names="read-only", stops=True)
def read_only_root(field: Field) -> str:
    """As a worn-out card, or one with errors, is mounted; folder by folder, since files are open for writing."""
    host, folders = _victim(field), "/etc /home /opt /root /usr /var"
    field.blank(host)
    begin = f"for f in {folders}; do mount --bind $f $f; mount --make-private $f; mount -o remount,bind,ro $f; done"
    with _while(field, host, begin, f"umount --lazy {folders}"):
        return _said(field.play("site.yml"))


# State of the machines ------------------------------------------------------------------------------------------------


@fault("a time server that is ten years off", names="clock|time", stops=True)
def wrong_time(field: Field) -> str:
    """The clock of a container cannot be set, so it is the time server that is wrong."""
    with servers.wrong_clock(f"{field.network}.1", -10 * 365 * 86400):
        return _said(field.play("site.yml", "-e", f'{{"base_ntp_servers": ["{field.network}.1"]}}'))


@fault("swap is on again", stops=False)
def swap_again(field: Field) -> str:
    """A swap file of somebody's, in use and in fstab."""
    host = _victim(field)
    script = "dd if=/dev/zero of=/swapfile bs=1M count=8 status=none; chmod 600 /swapfile; mkswap -q /swapfile"
    field.inside(host, f"{script}; echo '/swapfile none swap sw 0 0' >> /etc/fstab; swapon /swapfile")
    said = _said(field.play("site.yml"))
    if len(field.inside(host, "cat /proc/swaps").splitlines()) > 1:
        raise Trouble("swap is still on")
    return said


def _halves(field: Field, host: str) -> tuple[list[str], list[str]]:
    """The files in /etc/kubernetes, dealt by chance."""
    files = field.inside(host, "find /etc/kubernetes -type f | sort").split()
    random.Random(field.seed).shuffle(files)
    middle = (len(files) + 1) // 2
    return files[:middle], files[middle:]


@fault("half of /etc/kubernetes deleted on a node, and then the other half", stops=False)
def half_deleted_node(field: Field) -> str:
    """Files chosen by chance; the kubelet is started anew, as after a reboot."""
    host = _victim(field)
    before = field.node_uid(host)
    for half in _halves(field, host):
        field.inside(host, "rm " + " ".join(half))
        field.inside(host, "systemctl restart kubelet")
        if said := _said(field.play("site.yml")):
            return said
        field.check()
    if field.node_uid(host) != before:
        raise Trouble(f"the node {host} is another than before, which the Pods on it do not know")
    return ""


def _keeper_of_data(host: str) -> list[dict]:
    """A program that is not root and writes into a volume, which lies on one node's card."""
    metadata, labels = {"name": "keeper", "namespace": NAMESPACE}, {"app": "keeper"}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {
            "storageClassName": "local-path",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
        },
    }
    container = {
        "name": "keeper",
        "image": "docker.io/library/busybox:latest",
        "command": ["sh", "-c", "date > /data/written && exec sleep 100000"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": host},
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "keeper"}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": template}
    return [claim, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}]


@fault("a node on whose card a volume lies gets a new card", stops=False)
def volume_gone(field: Field) -> str:
    """The data is gone with the card; the program whose data it was begins anew, and does not fail for ever."""
    host, wait = _victim(field), ("wait", "--for=condition=Available", "deployment/keeper", "--timeout=180s")
    field.cluster.apply(*_keeper_of_data(host))
    try:
        field.cluster.kubectl("--namespace", NAMESPACE, *wait)
        field.blank(host)
        said = _said(field.play("site.yml"))
        if not said:
            field.cluster.kubectl("--namespace", NAMESPACE, "delete", "pods", "--selector=app=keeper", "--wait=true")
            field.cluster.kubectl("--namespace", NAMESPACE, *wait)
        return said
    finally:
        field.cluster.kubectl("--namespace", NAMESPACE, "delete", "deployment,pvc", "keeper", "--wait=false")


@fault("half of /etc/kubernetes deleted on the master", names="missing.*restore", playbook="playbooks/restore.yml")
def half_deleted_master(field: Field) -> str:
    """Files chosen by chance; restore.yml brings them back from the last backup."""
    field.must("playbooks/backup.yml")
    field.inside(field.master, "rm " + " ".join(_halves(field, field.master)[0]))
    return _said(field.play("site.yml", limit_s=900))


@fault("the administrator's certificate has expired", names="certificate.*expired|expired.*certificate")
def expired_admin(field: Field) -> str:
    """The master's kubeconfig has a certificate that the cluster's own CA signed, and that ended yesterday."""
    ca = [field.inside(field.master, f"cat /etc/kubernetes/pki/ca.{part}") for part in ("crt", "key")]
    kubeconfig = field.inside(field.master, "cat /etc/kubernetes/admin.conf")
    expired = servers.with_expired_certificate(kubeconfig, *ca)
    field.inside(
        field.master,
        f"cp -a /etc/kubernetes/admin.conf /root/admin.conf; cat > /etc/kubernetes/admin.conf <<'END'\n{expired}END",
    )
    try:
        return _said(field.play("site.yml", limit_s=900))
    finally:
        # Repaired by the run itself, or by hand, as the sentence says.
        field.inside(
            field.master,
            "cmp -s /etc/kubernetes/admin.conf - <<'END' && cp -a /root/admin.conf /etc/kubernetes/admin.conf\n"
            f"{expired}END\nrm -f /root/admin.conf",
            check=False,
        )


@fault(
    "power cut of laptop and master after a backup was written and before old ones were removed",
    playbook="playbooks/backup.yml",
)
def power_cut_before_rotation(field: Field) -> str:
    """The new backup is whole and has its name, the older ones are all there, and the next run removes what is due."""
    two = ("playbooks/backup.yml", "-e", "backup_keep=2")
    for _backup in range(2):
        field.must(*two)
    before = field.backup_names()
    playbook, *arguments = two
    fine, _output = field.broken_play(
        playbook, field.master, field.power_cut(field.master), *arguments, FAULT_BEFORE="sealed.rotate"
    )
    cut = field.backup_names()
    if fine or not before < cut or len(cut) != len(before) + 1:
        raise Trouble(f"the run was not cut between the two: {sorted(before)} before, {sorted(cut)} after")
    field.start()
    verify_newest_backup(field)
    field.must(*two)
    verify_newest_backup(field)
    after = field.backup_names()
    if len(after) != 2 or after & before or not after & cut:
        raise Trouble(f"not the newest two stayed: {sorted(cut)} after the cut, {sorted(after)} after the next run")
    return ""


# SSH ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """A playbook while which all SSH sessions of the master end, among them the one that holds the cluster's lock.

    :ivar seconds: after the lock was taken, at most.
    :ivar prepare: brings the lab into the state from which the playbook starts.
    :ivar first: the run's first Pi, on which the task that takes the lock begins.
    """

    playbook: str
    seconds: float
    prepare: Callable[[Field], object] = lambda field: None
    arguments: Callable[[Field], tuple[str, ...]] = lambda field: ()
    first: Callable[[Field], str] = lambda field: field.master

    def __call__(self, field: Field) -> str:
        """Cut them at a random moment, and run the playbook again.

        :raises Trouble: when no session was cut, or the playbook cannot be finished by running it again.
        """
        moment = random.Random(f"{field.seed}-{self.playbook}").uniform(1, self.seconds)
        cut = field.folder / "sessions-cut"
        # The listener has no user in its name, and stays.
        kill = f"docker exec {field.container(field.master)} pkill -KILL -c -f '^sshd[-a-z]*: [^ ]+@'"
        for _try in range(4):
            cut.unlink(missing_ok=True)
            self.prepare(field)
            result = field.broken_play(
                self.playbook,
                self.first(field),
                f"{kill} >{cut}",
                *self.arguments(field),
                FAULT_NAME="Take the cluster's lock",
                FAULT_DELAY=f"{2 + moment:.1f}",
            )
            if cut.exists():
                break
            time.sleep(2 + moment)
            moment /= 2  # the run was faster
        if not cut.exists() or int(cut.read_text() or 0) < 1:
            raise Trouble("no session of the master was cut")
        field.must(self.playbook, *self.arguments(field))
        return _said(result)


def _reboot_due(field: Field) -> None:
    field.inside(field.master, "touch /run/reboot-required")


def _without_victim(field: Field) -> tuple[str, ...]:
    return "--limit", _victim(field), "-e", f"reset_confirm={field.master}", "-e", "reset_packages=false"


SESSIONS = {
    "site": Session("site.yml", 40),
    "kubeflow": Session("playbooks/kubeflow.yml", 10),
    "upgrade": Session("playbooks/upgrade.yml", 60, _reboot_due),
    "backup": Session("playbooks/backup.yml", 5),
    "restore": Session("playbooks/restore.yml", 60, lambda field: field.must("playbooks/backup.yml")),
    "reset": Session("playbooks/reset.yml", 20, lambda field: field.must("site.yml"), _without_victim, _victim),
}
for _name, _session in SESSIONS.items():
    FAULTS[f"sessions-cut-{_name}"] = Fault(
        f"all SSH sessions of the master cut while {_name}.yml holds the cluster's lock",
        _session,
        names="ssh|connection|unreachable|lost the cluster's lock",
    )


# Laptop ---------------------------------------------------------------------------------------------------------------


@fault("every manifest of Kubeflow's that is kept on the laptop cut at a random byte", stops=False)
def kept_manifests_cut(field: Field) -> str:
    """Nothing may be pruned: neither a CRD nor, with it, what somebody made of its kind."""
    container = {"name": "tensorflow", "image": "docker.io/library/busybox:latest"}
    worker = {"replicas": 1, "template": {"spec": {"containers": [container]}}}
    job = {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "metadata": {"name": "somebodys", "namespace": NAMESPACE}}
    spec = {"runPolicy": {"suspend": True}, "tfReplicaSpecs": {"Worker": worker}}
    field.cluster.apply({**job, "spec": spec})

    def uids() -> dict[str, str]:
        found = field.cluster.objects("customresourcedefinitions,tfjobs", "--all-namespaces")
        return {f"{item['kind']} {item['metadata']['name']}": item["metadata"]["uid"] for item in found}

    before, chance = uids(), random.Random(field.seed)
    kept = [path for path in sorted((STATE / "kubeflow").glob("*.json")) if path.stat().st_size]
    if not kept or "TFJob somebodys" not in before:
        raise Trouble(f"there is nothing that could be lost: {kept}, {sorted(before)}")
    for path in kept:
        os.truncate(path, chance.randrange(path.stat().st_size))
    said = _said(field.play("site.yml"))
    if uids() != before:
        raise Trouble(f"gone or made again: {sorted(set(before.items()) ^ set(uids().items()))}")
    return said


@fault("Ctrl-C while a blank node joins")
def interrupted(field: Field) -> str:
    """The whole process group gets the signal, as from a terminal, at a random moment."""
    field.blank(_victim(field))
    moment = random.Random(field.seed).uniform(15, 75)
    run = subprocess.Popen(
        playbook_command(field.inventory, "site.yml"),
        cwd=ROOT,
        env=environment(**IMPATIENT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGINT)
        try:
            run.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    return ""

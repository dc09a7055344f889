# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab on which faults are tried: a cluster with something in it that can be lost, and Pis that can be broken."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import yaml
from lab_cluster import ROOT, STATE, Cluster, default_release, environment, playbook_command, run_playbook
from results import failure_of

NAMESPACE = "faults"
PLUGINS = ROOT / "tests" / "faults" / "plugins"
#: So that a Pi that is gone is noticed while somebody waits.
IMPATIENT = {"ANSIBLE_SSH_RETRIES": "0", "ANSIBLE_TIMEOUT": "10"}


class Trouble(Exception):
    """The end state is not what it has to be."""


class Field:
    """An inventory of virtual Pis with a cluster on them.

    :param inventory: its folder.
    :param configmaps: how many ConfigMaps have to survive everything.
    :param seed: of what the faults leave to chance.
    """

    def __init__(self, inventory: Path, configmaps: int = 1000, seed: int = 0) -> None:
        self.inventory = inventory
        self.folder = STATE / "faults"
        self.folder.mkdir(parents=True, exist_ok=True)
        bramble = yaml.safe_load((inventory / "hosts.yml").read_text())["bramble"]
        self.instance, self.network = bramble["vars"]["lab_instance"], bramble["vars"]["lab_network"]
        groups = bramble["children"]
        self.addresses = {
            name: values["ansible_host"] for group in groups.values() for name, values in group["hosts"].items()
        }
        (self.master,) = groups["master"]["hosts"]
        self.nodes = list(groups["node"]["hosts"])
        self.cluster = Cluster(self.instance)
        self.configmaps = configmaps
        self.seed, self.release = seed, default_release()
        self._digest = ""
        password = self.folder / "vault-password"
        if not password.exists():
            password.write_text("a password for tests alone\n")
            password.chmod(0o600)
        self.vault = f"--vault-password-file={password}"
        self.backups = self.folder / f"backups-{self.instance}"

    # Machines -------------------------------------------------------------------------------------------------------

    def container(self, host: str) -> str:
        """The container that stands for a Pi."""
        return f"{self.instance}-{host}"

    def inside(self, host: str, script: str, check: bool = True) -> str:
        """Run a shell script as root on a Pi, not by SSH: also when its network is broken."""
        done = subprocess.run(
            ["docker", "exec", "-i", self.container(host), "bash", "-ec", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise Trouble(f"{host}: {script.splitlines()[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def power_cut(self, host: str) -> str:
        """The shell command that pulls the plug of a Pi and puts it back."""
        container = shlex.quote(self.container(host))
        return f"docker kill -s KILL {container}; docker start {container}"

    def blank(self, *hosts: str) -> None:
        """New cards for Pis: their containers and volumes are gone, and a blank OS starts."""
        if set(hosts) == set(self.addresses):  # a new cluster, for which backups of the former one are no good
            shutil.rmtree(self.backups, ignore_errors=True)
        for host in hosts:
            container = self.container(host)
            subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)
            volumes = [f"{container}-{part}" for part in ("containerd", "kubelet", "etcd", "docker")]
            subprocess.run(["docker", "volume", "rm", "--force", *volumes], check=False, capture_output=True)
        self.start()

    def start(self) -> None:
        """Start every Pi that does not run, and wait until all answer SSH."""
        run_playbook(self.inventory, str(ROOT / "lab/playbooks/create.yml"))

    def backup_names(self) -> set[str]:
        """Names of the backups on the laptop."""
        return {path.name for path in self.backups.glob("*.bramble-backup")}

    # Playbooks ------------------------------------------------------------------------------------------------------

    def play(self, playbook: str, *arguments: str, limit_s: float = 1500, **extra: str) -> tuple[bool, str]:
        """Run a playbook.

        :returns: whether it succeeded, and what it printed.
        """
        if playbook in ("playbooks/backup.yml", "playbooks/restore.yml"):
            arguments = (*arguments, self.vault, "-e", f"backup_dest={self.backups}")
        try:
            done = subprocess.run(
                playbook_command(self.inventory, playbook, *arguments),
                cwd=ROOT,
                env=environment(**IMPATIENT, **extra),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired as error:
            raise Trouble(f"{playbook} did not come to an end within {limit_s:.0f} s") from error
        broken = "broken-" if "FAULT_HOST" in extra else ""
        (self.folder / f"last-{broken}{Path(playbook).stem}.log").write_text(done.stdout)
        return done.returncode == 0, done.stdout

    def must(self, playbook: str, *arguments: str) -> str:
        """Run a playbook that has to succeed."""
        fine, output = self.play(playbook, *arguments)
        if not fine:
            raise Trouble(f"{playbook}: {failure_of(output) or output[-800:]}")
        return output

    def broken_play(self, playbook: str, host: str, command: str, *arguments: str, **when: str) -> tuple[bool, str]:
        """Run a playbook, and a shell command when a task begins on a host (see plugins/fault.py).

        :param when: FAULT_NUMBER, or FAULT_NAME, and FAULT_DELAY.
        """
        return self.play(
            playbook,
            *arguments,
            ANSIBLE_CALLBACK_PLUGINS=str(PLUGINS),
            ANSIBLE_CALLBACKS_ENABLED="fault",
            FAULT_HOST=host,
            FAULT_COMMAND=command,
            FAULT_TASKS=str(self.folder / "tasks"),
            **when,
        )

    # What has to be true in the end ---------------------------------------------------------------------------------

    def fill(self) -> None:
        """Make the ConfigMaps that must not be lost, unless they are there."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.cluster.apply(namespace)
        present = {item["metadata"]["name"] for item in self._configmaps()}
        items = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"kept-{number:04}", "namespace": NAMESPACE},
                "data": {"number": str(number), "text": hashlib.sha256(str(number).encode()).hexdigest()},
            }
            for number in range(self.configmaps)
            if f"kept-{number:04}" not in present
        ]
        if items:
            given = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            self.cluster.kubectl("create", "--filename=-", given=given)
        self._digest = self._digest_now()

    def forget(self) -> None:
        """The cluster was rebuilt on purpose, and so has no ConfigMaps."""
        self._digest = ""

    def _configmaps(self) -> list[dict]:
        return [
            item
            for item in self.cluster.objects("configmaps", "--namespace", NAMESPACE)
            if item["metadata"]["name"].startswith("kept-")
        ]

    def _digest_now(self) -> str:
        content = sorted((item["metadata"]["name"], item["data"]["text"]) for item in self._configmaps())
        return f"{len(content)} {hashlib.sha256(json.dumps(content).encode()).hexdigest()}"

    def node_uid(self, host: str) -> str:
        """The uid of a Pi's Node object."""
        nodes = {item["metadata"]["name"]: item["metadata"]["uid"] for item in self.cluster.objects("nodes")}
        return nodes[host]

    def check(self, seconds: float = 240) -> None:
        """All nodes Ready, and nothing lost.

        :raises Trouble: when it is not so within this time.
        """
        deadline = time.monotonic() + seconds
        wanted = dict.fromkeys(self.addresses, "True")
        while True:
            try:
                ready = self.cluster.ready()
            except BaseException as error:  # pytest.fail() of the helper is no Exception
                if isinstance(error, KeyboardInterrupt):
                    raise
                ready = {"the API server": str(error)}
            if ready | wanted == ready:  # there may be Pis that are none of this field's
                break
            if time.monotonic() > deadline:
                raise Trouble(f"not all nodes are Ready: {ready}")
            time.sleep(2)
        if self._digest:
            now = self._digest_now()
            if now != self._digest:
                raise Trouble(f"ConfigMaps were lost or changed: {self._digest} before, {now} after")

    def tasks(self) -> list[str]:
        """The tasks that began on the host of the last broken_play()."""
        return (self.folder / "tasks").read_text().splitlines()

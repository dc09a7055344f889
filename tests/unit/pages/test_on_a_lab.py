# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages have somebody type that needs Pis or a cluster, and which test runs it there."""

from __future__ import annotations

import subprocess

import pytest
from apiserver import cache
from page_blocks import ROOT, blocks, commands

#: What is run by no test as it stands there.
NOT_RUN = ""
FIRST_MODEL, TRAIN = "molecule/cluster/tests/test_first_model.py", "molecule/cluster/tests/test_train_page.py"
PAGES = "molecule/cluster/tests/test_pages_typed.py"
#: A command without its inventory and its values → the test, scenario or helper of tests that runs it.
RUN_BY = {
    "ansible-playbook bramble.kube.site": "tests/integration/collection/test_own_repository.py",  # site.yml elsewhere
    "ansible-playbook cluster.yml": "tests/integration/collection/test_own_repository.py",
    "ansible-playbook lab/playbooks/create.yml": "molecule/cluster/molecule.yml",
    "ansible-playbook lab/playbooks/destroy.yml": "molecule/cluster/molecule.yml",
    "ansible-playbook playbooks/backup.yml": "molecule/status/tests/test_z_back_and_away.py",
    "ansible-playbook playbooks/backup.yml --tags drill": "molecule/status/tests/test_z_back_and_away.py",
    "ansible-playbook playbooks/cards.yml": "tests/unit/playbooks/test_cards_playbook.py",
    "ansible-playbook playbooks/kubeflow.yml": "molecule/cluster/tests/test_kubeflow_components.py",
    "ansible-playbook playbooks/kubeflow.yml --tags passwords": PAGES,
    "ansible-playbook playbooks/kubeflow.yml --tags smoke": "molecule/cluster/tests/test_kubeflow_smoke.py",
    "ansible-playbook playbooks/laptop.yml --tags context": "tests/unit/playbooks/test_laptop.py",
    "ansible-playbook playbooks/laptop.yml --tags kubectl": "tests/unit/playbooks/test_laptop.py",
    "ansible-playbook playbooks/loop.yml": "molecule/loop/tests/test_loop.py",
    "ansible-playbook playbooks/loop.yml --tags passwords": "tests/integration/loop/test_passwords.py",
    "ansible-playbook playbooks/loop.yml --tags rollback": "molecule/loop/tests/test_loop.py",
    "ansible-playbook playbooks/loop.yml --tags score": "molecule/loop/tests/test_loop.py",
    "ansible-playbook playbooks/preflight.yml": "tests/integration/preflight/test_unfit_pis.py",
    "ansible-playbook playbooks/reset.yml": "molecule/status/tests/test_z_back_and_away.py",
    "ansible-playbook playbooks/restore.yml": "molecule/status/tests/test_z_back_and_away.py",
    "ansible-playbook playbooks/restore.yml --tags desk": "molecule/loop/tests/test_loop.py",
    "ansible-playbook playbooks/status.yml": "tests/support/troubles.py",
    "ansible-playbook playbooks/status.yml --tags audit": "molecule/status/tests/test_planted.py",
    "ansible-playbook playbooks/upgrade.yml": "molecule/upgrade/tests/test_upgrade.py",
    "ansible-playbook playbooks/upgrade.yml --check": "molecule/upgrade/tests/test_upgrade.py",
    "ansible-playbook site.yml": "molecule/cluster/molecule.yml",
    "ansible-playbook site.yml --check": "molecule/cluster/tests/test_fourth_pi.py",
    "ansible-playbook site.yml --tags base": "molecule/status/tests/test_lock.py",
    "curl http://192.168.13.7:30082/v2/models/digits": "molecule/cluster/tests/test_reach.py",
    "curl http://192.168.13.7:30082/v2/models/digits/infer": "molecule/cluster/tests/test_reach.py",
    "curl http://192.168.13.7:30084/v2/models/digits/infer": "molecule/loop/tests/test_loop.py",
    "curl http://192.168.13.7:30090/v2/models/first-model/infer": FIRST_MODEL,
    "kubeadm init phase kubeconfig super-admin": "molecule/status/tests/planted.py",
    "kubectl apply": TRAIN,
    "kubectl create clusterrolebinding": "tests/integration/backup/test_whole_drill.py",
    "kubectl delete deployment,service,job,configmap,persistentvolumeclaim first-model": FIRST_MODEL,
    "kubectl exec deploy/model-server": PAGES,
    "kubectl exec etcd-k8s-master": PAGES,
    "kubectl get nodes": PAGES,
    "kubectl get pods": PAGES,
    "kubectl logs": TRAIN,
    "kubectl logs deployment/first-model": FIRST_MODEL,
    "kubectl logs job/first-model": FIRST_MODEL,
    "kubectl port-forward service/katib-ui": NOT_RUN,  # the lab does not run Katib
    "kubectl rollout restart deployment/model-server": PAGES,
    "kubectl rollout status deployment/first-model": FIRST_MODEL,
    "kubectl wait job/first-model": FIRST_MODEL,
    "kubectl wait tfjob hello": TRAIN,
    "kubectl wait trainjob hello": TRAIN,
}
#: Options that are part of a command's name here; the last with its value.
_PART = ("--check", "--tags")
#: Options that have their value in the next word.
_WITH_VALUE = ("--namespace", "-n", "--filename", "--selector", "--container", "--kubeconfig", "--config", "-i", "-e")
_WITH_VALUE += ("--limit", "--tags", "--header", "--data", "--retry")


def called(words: list[str]) -> str:
    """A command's name in the table."""
    name, options = [], []
    rest = list(words[1:] if words[0] == "sudo" else words)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        value = rest.pop(0) if word in _WITH_VALUE else ""
        if word in _PART:
            options.append(f"{word} {value}".strip())
        elif not word.startswith("-"):
            name.append(word)
    of_kubectl = {"create": 3, "port-forward": 3, "exec": 3}
    return " ".join([*name[: of_kubectl.get(name[1] if len(name) > 1 else "", len(name))], *options])


def typed_on_a_cluster() -> list[tuple[str, list[str]]]:
    """Name and words of every command that needs Pis or a cluster."""
    programs = ("ansible-playbook", "kubectl", "kubeadm", "curl")
    every = [words for block in blocks("console") for words in commands(block)]
    return [(called(words), words) for words in every if (words[1] if words[0] == "sudo" else words[0]) in programs]


def test_the_table_has_every_command() -> None:
    assert sorted({name for name, _words in typed_on_a_cluster()}) == sorted(RUN_BY)


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, file in RUN_BY.items() if file != NOT_RUN])
def test_the_tests_of_the_table_are_there(name: str, file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    program, *words = name.split()
    if program == "ansible-playbook":
        assert words[0].rpartition("/")[2] in text
        assert all(f'"{word}"' in text for word in words[1:])
    elif file in (FIRST_MODEL, TRAIN, PAGES):  # they type what these pages have
        assert any(block.page in text for block in blocks("console") for one in commands(block) if called(one) == name)
    elif program == "curl":
        assert "digits" in text
    else:
        assert all(word in text for word in words)


@pytest.mark.lab
@pytest.mark.parametrize(
    "words", [words for name, words in typed_on_a_cluster() if name.startswith("kube")], ids=called
)
def test_kubectl_and_kubeadm_know_each_command_and_option(words: list[str]) -> None:
    words = words[1:] if words[0] == "sudo" else words
    words = words[: words.index("--")] if "--" in words else words
    program = cache() / "bin" / words[0]
    if not program.exists():
        pytest.skip(f"{program} is not built")
    done = subprocess.run([program, *words[1:], "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    usage = done.stdout.split("Usage:\n")[1].split("\n\n")[0]
    assert "SUBCOMMAND" not in usage and "[command]" not in usage, usage

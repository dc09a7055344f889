"""The module kubeadm_token, run by Ansible on this machine with a stand-in for kubeadm."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from test_kubeadm_ca import KEYS, certificate, pin

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.tokens import DEFAULT_GROUP
from ansible_collections.bramble.kube.plugins.modules import kubeadm_token

REPOSITORY = Path(__file__).resolve().parents[3]
CA_KEY = KEYS["ECDSA P-256"]()
KUBECONFIG = f"""\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {base64.b64encode(certificate(CA_KEY).encode()).decode()}
    server: https://192.168.13.7:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
"""


def in_hours(hours: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def listed(letter: str, hours: float | None = 5, **values) -> dict:
    token = {
        "token": f"{letter * 6}.{letter * 16}",
        "usages": ["authentication", "signing"],
        "groups": [DEFAULT_GROUP],
        **values,
    }
    return token if hours is None else {**token, "expires": in_hours(hours)}


class Machine:
    """A folder that stands for a master: its kubeconfig and its kubeadm."""

    def __init__(
        self, folder: Path, release: str, environment: pytest.MonkeyPatch, capture: pytest.CaptureFixture
    ) -> None:
        self.folder, self.release, self.environment, self.capture = folder, release, environment, capture
        self.kubeconfig = folder / "admin.conf"
        self.kubeconfig.write_text(KUBECONFIG, encoding="utf-8")
        self.state = folder / "state.json"
        self.has()
        self.kubeadm = folder / "kubeadm"
        self.kubeadm.write_text(
            f"#!{sys.executable}\n" + (Path(__file__).parent / "fake_kubeadm.py").read_text(encoding="utf-8"),
            encoding="utf-8",
        )
        self.kubeadm.chmod(0o755)

    def has(self, *tokens: dict, **state) -> None:
        self.state.write_text(json.dumps({"tokens": list(tokens), "calls": [], **state}), encoding="utf-8")

    @property
    def tokens(self) -> list[str]:
        return [token["token"] for token in json.loads(self.state.read_text(encoding="utf-8"))["tokens"]]

    @property
    def calls(self) -> list[list[str]]:
        return json.loads(self.state.read_text(encoding="utf-8"))["calls"]

    def run(self, *, check: bool = False, **parameters) -> dict:
        """Run the module as Ansible does on a machine: parameters in, printed JSON out."""
        arguments = {"executable": str(self.kubeadm), "kubeconfig": str(self.kubeconfig), **parameters}
        self.environment.setenv("FAKE_KUBEADM", f"{self.state}:{self.release}")
        self.capture.readouterr()
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            kubeadm_token.main()
        return json.loads(self.capture.readouterr().out)


@pytest.fixture(params=["1.9.7", "1.37.2"])
def machine(request, tmp_path, monkeypatch, capfd) -> Machine:
    return Machine(tmp_path, request.param, monkeypatch, capfd)


def test_a_token_is_made_and_then_found(machine):
    made = machine.run(description="for a test", ttl="2h")
    assert made["changed"] and made["token"] == "qqqqqq.qqqqqqqqqqqqqqqq" == machine.tokens[0]
    assert made["ca_cert_hash"] == pin(CA_KEY) and made["ca_cert_hashes"] == [pin(CA_KEY)]
    assert made["endpoint"] == "192.168.13.7:6443" and made["token_id"] == "qqqqqq"
    assert made["join_command"] == [
        *("kubeadm", "join", "192.168.13.7:6443", "--token", made["token"]),
        *("--discovery-token-ca-cert-hash", pin(CA_KEY)),
    ]
    assert in_hours(1.9) < made["expires"] <= in_hours(2)
    found = machine.run(description="for a test", ttl="2h")
    assert not found["changed"] and found["token"] == made["token"] and len(machine.tokens) == 1


def test_no_secret_is_ever_among_the_arguments_of_a_command(machine):
    machine.has(listed("a", 0.01))
    made = machine.run()
    machine.run(state="absent", token=made["token"])
    assert machine.calls and made["token"] not in json.dumps(machine.calls)


@pytest.mark.parametrize(
    "token",
    [
        listed("a", -1),
        listed("a", 0.1),
        listed("a", usages=["signing"]),
        listed("a", usages=["authentication"]),
        listed("a", groups=["system:bootstrappers:other"]),
    ],
    ids=["expired", "ends soon", "no authentication", "no signing", "other group"],
)
def test_a_token_that_will_not_do_is_left_and_another_made(machine, token):
    machine.has(token)
    result = machine.run(min_ttl="10m")
    assert result["changed"] and result["token"] != token["token"] and len(machine.tokens) == 2


def test_check_mode_makes_nothing(machine):
    result = machine.run(check=True)
    assert result["changed"] and result["token"] == "" and result["join_command"] == [] and machine.tokens == []
    machine.has(listed("a"))
    result = machine.run(check=True)
    assert not result["changed"] and result["token"] == machine.tokens[0]
    result = machine.run(check=True, state="absent", token_id="aaaaaa")
    assert result["changed"] and result["deleted"] == ["aaaaaa"] and machine.tokens


def test_check_mode_on_a_machine_without_a_cluster(machine):
    machine.kubeconfig.unlink()
    result = machine.run(check=True, executable="kubeadm-that-is-not-there")
    assert result["changed"] and not result.get("failed") and "would be created" in result["msg"]


def test_list_shows_no_secret(machine):
    machine.has(listed("a", description="mine"), listed("b", None), listed("c", -1))
    result = machine.run(state="list")
    assert not result["changed"] and [token["usable"] for token in result["tokens"]] == [True, True, False]
    assert result["tokens"][0]["description"] == "mine" and result["tokens"][1]["expires"] is None
    assert "aaaaaaa" not in json.dumps(result)


def test_absent_deletes_by_id_token_or_description(machine):
    machine.has(listed("a"), listed("b", description="ours"), listed("c", description="ours"), listed("d"))
    assert machine.run(state="absent", token_id="aaaaaa")["deleted"] == ["aaaaaa"]
    assert machine.run(state="absent", token="dddddd.dddddddddddddddd")["deleted"] == ["dddddd"]
    assert machine.run(state="absent", description="ours")["deleted"] == ["bbbbbb", "cccccc"]
    assert machine.tokens == []
    assert machine.run(state="absent", description="ours") == machine.run(state="absent", description="ours")
    assert not machine.run(state="absent", token_id="aaaaaa")["changed"]


def test_both_ca_certificates_are_pinned(machine):
    other = KEYS["RSA 2048"]()
    bundle = certificate(CA_KEY) + certificate(other)
    encoded = base64.b64encode(bundle.encode()).decode()
    lines = [
        f"    certificate-authority-data: {encoded}" if "authority-data" in line else line
        for line in KUBECONFIG.splitlines()
    ]
    machine.kubeconfig.write_text("\n".join(lines), encoding="utf-8")
    result = machine.run()
    assert result["ca_cert_hashes"] == [pin(CA_KEY), pin(other)]
    assert result["join_command"].count("--discovery-token-ca-cert-hash") == 2


def test_another_endpoint(machine):
    assert machine.run(endpoint="k8s.example.net:8443")["join_command"][2] == "k8s.example.net:8443"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"ttl": "soon"}, "ttl: 'soon' is not a duration"),
        ({"ttl": "5m", "min_ttl": "1h"}, "shorter than min_ttl"),
        ({"endpoint": "nowhere"}, "not of the form host:port"),
        ({"kubeconfig": "/nonexistent/admin.conf"}, "run this on the cluster's master"),
        ({"executable": "/nonexistent/kubeadm"}, "the role kubeadm installs it"),
        ({"state": "absent"}, "needs one of token_id"),
        ({"state": "absent", "token_id": "aaaaaa", "description": "x"}, "needs one of token_id"),
        ({"state": "absent", "token_id": "ABC"}, "token_id is 'ABC'"),
        ({"state": "absent", "token": "bad token"}, "not of the form"),
    ],
)
def test_wrong_parameters_have_their_sentence(machine, parameters, sentence):
    result = machine.run(**parameters)
    assert result["failed"] and sentence in result["msg"] and "\n" not in result["msg"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            "failed to list bootstrap tokens: dial tcp 192.168.13.7:6443: connect: connection refused",
            "is the API server running",
        ),
        ("Unauthorized", "Unauthorized"),
        ('given token or token id "eeeeee.eeeeeeeeeeeeeeee" didn\'t match', "eeeeee.****************"),
    ],
)
def test_what_kubeadm_says_is_passed_on_without_secrets(machine, error, sentence):
    machine.has(error=error)
    result = machine.run()
    assert result["failed"] and sentence in result["msg"] and "eeeeeeeee" not in json.dumps(result)


PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Have a token
      bramble.kube.kubeadm_token: {{executable: {kubeadm}, kubeconfig: {kubeconfig}}}
      register: join
    - name: It can be used
      ansible.builtin.assert:
        that: join.token == 'qqqqqq.qqqqqqqqqqqqqqqq' and join.join_command | length == 7
        quiet: true
    - name: Delete it
      bramble.kube.kubeadm_token:
        executable: {kubeadm}
        kubeconfig: {kubeconfig}
        state: absent
        token: "{{{{ join.token }}}}"
    - name: Fail
      bramble.kube.kubeadm_token: {{executable: {kubeadm}, kubeconfig: {kubeconfig}, endpoint: nowhere}}
"""


def test_no_log_shows_the_token_and_errors_are_shown(machine):
    playbook = machine.folder / "play.yml"
    playbook.write_text(PLAYBOOK.format(kubeadm=machine.kubeadm, kubeconfig=machine.kubeconfig), encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-vvv",
            "--diff",
            "-i",
            "localhost,",
            "-c",
            "local",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            str(playbook),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "FAKE_KUBEADM": f"{machine.state}:{machine.release}", "ANSIBLE_LOCALHOST_WARNING": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert "the API server's address 'nowhere' is not of the form host:port" in output
    assert "ok=3" in output and "failed=1" in output
    assert "qqqqqqqqqqqqqqqq" not in output
    assert "bootstrap token qqqqqq" in output, "the diff of the deletion names the id"

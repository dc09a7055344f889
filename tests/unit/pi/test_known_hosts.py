"""Host keys, looked up by this machine's own ssh and ssh-keygen."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.bramble.kube.plugins.action.known_host import ActionModule
from ansible_collections.bramble.kube.plugins.module_utils.pi import known_hosts


def key(letter: str) -> str:
    """A public key that ssh-keygen takes."""
    body = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + letter.encode() * 32
    return "ssh-ed25519 " + known_hosts.base64.b64encode(body).decode()


OLD, NEW, OTHER = map(key, "onx")
CONFIG = """\
Host node1
    HostName 192.168.13.8
    Port 2222
Host node2
    HostKeyAlias second
Host *
    UserKnownHostsFile {folder}/known_hosts {folder}/known_hosts2
    HashKnownHosts {hashed}
"""


@pytest.fixture
def laptop(tmp_path: Path):
    """What the action does for a host, by a file of SSH's settings: its result, and the file of known hosts."""

    def run(host: str, text: str | None, hashed: str = "no", check: bool = False, **arguments) -> tuple[dict, str]:
        settings = {"ssh_executable": "ssh", "ssh_args": f"-F {tmp_path}/config", "host": host, **arguments}
        own = {name: settings.pop(name) for name in ("learn", "forget", "file") if name in settings}
        (tmp_path / "config").write_text(CONFIG.format(folder=tmp_path, hashed=hashed))
        if text is not None:
            (tmp_path / "known_hosts").write_text(text)
        connection = SimpleNamespace(
            has_option=lambda _name: True, get_option=settings.get, _shell=SimpleNamespace(tmpdir=None)
        )
        task = SimpleNamespace(args=own, check_mode=check, async_val=0, action="known_host", diff=False)
        result = ActionModule(task, connection, None, None, None, None).run(task_vars={})
        file = tmp_path / "known_hosts"
        return result, file.read_text() if file.exists() else ""

    return run


def is_known(folder: Path, name: str, wanted: str) -> bool:
    """Whether ssh-keygen finds the key under this name."""
    found = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", folder / "known_hosts"], capture_output=True, text=True, check=False
    )
    return wanted in found.stdout


@pytest.mark.parametrize(
    ("host", "options", "name"),
    [
        ("192.168.13.8", {}, "192.168.13.8"),
        ("192.168.13.8", {"port": 2200}, "[192.168.13.8]:2200"),
        ("K8S-Node3.local", {}, "k8s-node3.local"),
        ("node1", {}, "[192.168.13.8]:2222"),
        ("node1", {"port": 22}, "192.168.13.8"),
        ("node2", {"port": 2200}, "second"),
        ("node3", {"ssh_common_args": "-o HostKeyAlias=third"}, "third"),
        ("node3", {"ssh_extra_args": "-o HostName=10.0.0.3"}, "10.0.0.3"),
    ],
)
@pytest.mark.parametrize("hashed", ["no", "yes"])
def test_a_key_is_learnt_where_ssh_looks_for_it(laptop, tmp_path, host, options, name, hashed) -> None:
    result, text = laptop(host, None, hashed, learn=[NEW], **options)
    assert (result["changed"], result["name"]) == (True, name)
    assert is_known(tmp_path, name, NEW)
    assert (name not in text) == (hashed == "yes")
    assert (tmp_path / "known_hosts").stat().st_mode & 0o777 == 0o600
    assert laptop(host, None, hashed, learn=[NEW], **options) == ({**result, "changed": False, "files": []}, text)


def test_a_hashed_key_is_forgotten_and_others_stay(laptop, tmp_path) -> None:
    text = f"[192.168.13.8]:2222 {OLD} pi\n192.168.13.8 {OLD}\n192.168.13.9 {OLD}\n[192.168.13.8]:2222 {OTHER}\n"
    (tmp_path / "known_hosts").write_text(text)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", tmp_path / "known_hosts"], check=True, capture_output=True)
    hashed = (tmp_path / "known_hosts").read_text()
    assert "192.168" not in hashed
    assert laptop("node1", hashed, check=True, forget=[OLD])[1] == hashed
    result, left = laptop("node1", hashed, forget=[OLD])
    assert result["changed"] and left.splitlines() == hashed.splitlines()[1:]
    assert laptop("node1", left, forget=[OLD])[0]["changed"] is False


def test_other_names_of_a_line_and_patterns_keep_the_key(laptop) -> None:
    before = f"# mine\n192.168.13.7,192.168.13.8 {OLD} pi\n\n192.168.13.* {OLD}\n@revoked 192.168.13.8 {OLD}"
    after = f"# mine\n192.168.13.7 {OLD} pi\n\n192.168.13.* {OLD}\n@revoked 192.168.13.8 {OLD}\n"
    assert laptop("192.168.13.8", before, forget=[OLD])[1] == after


def test_the_second_file_is_searched_and_a_file_may_be_given(laptop, tmp_path) -> None:
    (tmp_path / "known_hosts2").write_text(f"192.168.13.8 {OLD}\n")
    result, _text = laptop("192.168.13.8", "", forget=[OLD])
    assert result["files"] == [str(tmp_path / "known_hosts2")] and (tmp_path / "known_hosts2").read_text() == ""
    result, text = laptop("192.168.13.8", "", learn=[NEW], file=str(tmp_path / "mine"))
    assert text == "" and (tmp_path / "mine").read_text() == f"192.168.13.8 {NEW}\n"


def test_without_a_file_nothing_is_kept(laptop) -> None:
    options = {"ssh_common_args": "-o UserKnownHostsFile=/dev/null"}
    assert laptop("192.168.13.8", "", learn=[NEW], **options) == (
        {"changed": False, "name": "192.168.13.8", "files": []},
        "",
    )


def test_settings_that_ssh_refuses_are_named(laptop) -> None:
    with pytest.raises(AnsibleActionFail, match=r"(?i)bad configuration option: nonsense"):
        laptop("node1", "", learn=[NEW], ssh_common_args="-o Nonsense=1")

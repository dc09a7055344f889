"""What the role docker writes for containerd, read by containerd itself: the packaged one and the newest."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(
    os.environ.get("BRAMBLE_LAB_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble.kube-lab"
)
RUNTIME, IMAGES = "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
METRICS = "io.containerd.server.v1.metrics"


#: Installed version, docker_containerd_config, version of the file: the newest that this containerd reads these in.
WANTED = [
    ("1.7.28", {}, 2),
    ("2.0.13", {}, 3),
    ("2.2.9", {}, 3),
    ("2.3.4", {}, 4),
    ("2.10.0", {}, 4),
    ("2.4.2", {"debug": {"level": "info"}}, 4),
    ("2.4.2", {"debug": {"address": "/run/debug.sock"}}, 3),
    ("2.4.2", {"grpc": {"uid": 1000}}, 3),
]


@pytest.fixture(params=["containerd", "containerd-newest"])
def program(request: pytest.FixtureRequest) -> Path:
    """A containerd that the lab has built."""
    found = CACHE / "bin" / request.param
    if request.param == "containerd-newest" and not found.exists():
        pytest.skip("lab/software/build containerd-newest builds it; make test-all does")
    assert found.exists(), f"{found} is missing: build the lab's software first (make lab)"
    return found


def version_of(program: Path) -> str:
    """Three numbers, of "containerd github.com/containerd/containerd/v2 v2.4.2"."""
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return told.split()[2].removeprefix("v")


def written(folder: Path, *cases: tuple[str, dict[str, Any]]) -> list[Path]:
    """The files that the role writes for installed versions and settings, by its own variables and module."""
    role, files = ROOT / "roles/docker", [folder / f"{number}.toml" for number in range(len(cases))]
    tasks = [
        {
            "bramble.kube.config_files": {"files": [{"path": str(file), "toml": "{{ docker_files[0].toml }}"}]},
            "vars": {
                "ansible_facts": {"pi_packages": {"containerd.io": {"version": f"{version}-1~debian.13~trixie"}}},
                "docker_containerd_config": settings,
                "docker_pod_cidr": "10.244.0.0/16",
                "kubeadm_version": "1.37.2",
            },
        }
        for file, (version, settings) in zip(files, cases)
    ]
    variables = [str(role / "defaults/main.yml"), str(role / "vars/main.yml")]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": variables, "tasks": tasks}
    (folder / "play.json").write_text(json.dumps([play]))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", folder / "play.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return files


def read(program: Path, file: Path) -> tuple[dict[str, Any], str]:
    """What containerd makes of the file, and what it says on the way."""
    done = subprocess.run([program, "--config", file, "config", "dump"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tomllib.loads(done.stdout), done.stderr


def test_it_is_read_in_full_and_without_a_warning(program: Path, tmp_path: Path) -> None:
    settings = {"plugins": {RUNTIME: {"max_container_log_line_size": 32768}}}
    dump, said = read(program, *written(tmp_path, (version_of(program), settings)))
    assert said == ""
    runtime, images = dump["plugins"][RUNTIME], dump["plugins"][IMAGES]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert runtime["max_container_log_line_size"] == 32768
    assert images["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"
    assert images["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert dump["disabled_plugins"] == []


def test_where_it_listens_is_kept_whichever_version_says_it(program: Path, tmp_path: Path) -> None:
    version, metrics = version_of(program), {"address": "127.0.0.1:1338"}
    knows_4 = not version.startswith(("2.0.", "2.1.", "2.2."))
    ways = [{"metrics": metrics}, *([{"plugins": {METRICS: metrics}}] if knows_4 else [])]
    for file in written(tmp_path, *((version, settings) for settings in ways)):
        dump, _said = read(program, file)
        assert (dump["plugins"][METRICS] if knows_4 else dump["metrics"])["address"] == metrics["address"]


def test_the_version_is_the_newest_that_the_installed_one_knows(tmp_path: Path) -> None:
    files = written(tmp_path, *((version, settings) for version, settings, _wanted in WANTED))
    assert [tomllib.loads(file.read_text())["version"] for file in files] == [wanted for *_case, wanted in WANTED]

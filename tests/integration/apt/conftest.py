"""A virtual Pi's own apt in a container, and repositories beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apt_repositories
import pytest

PORT = 8099


@dataclass
class Machine:
    """A container with a real apt.

    :ivar served: what its web server at http://127.0.0.1:8099/ serves.
    """

    name: str
    served: Path
    work: Path

    def run(self, *command: str) -> str:
        """Run a command in it; what it printed."""
        done = subprocess.run(["docker", "exec", self.name, *command], check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def read(self, path: str) -> str:
        """A file's text, "" when it is not there."""
        done = subprocess.run(["docker", "exec", self.name, "cat", path], capture_output=True, text=True, check=False)
        return done.stdout

    def write(self, path: str, text: str | bytes) -> None:
        """Write a file."""
        data = text.encode() if isinstance(text, str) else text
        command = ["docker", "exec", "-i", self.name, "sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}"]
        subprocess.run(command, input=data, check=True)

    def do(self, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
        """Run tasks by Ansible; the result of each."""
        book, answer = self.work / "play.json", self.work / "answer.json"
        steps: list[dict[str, Any]] = []
        for number, task in enumerate(tasks):
            steps.append({"failed_when": False, **task, "register": f"answer_{number}"})
        results = "[" + ", ".join(f"answer_{number}" for number in range(len(tasks))) + "]"
        steps.append(
            {
                "ansible.builtin.copy": {"content": "{{ " + results + " | to_json }}", "dest": str(answer)},
                "delegate_to": "localhost",
                "check_mode": False,
            }
        )
        play = {"hosts": "all", "gather_facts": False, "tasks": steps}
        book.write_text(json.dumps([play]))
        connection = "ansible_connection=community.docker.docker ansible_python_interpreter=/usr/bin/python3"
        (self.work / "hosts").write_text(f"{self.name} {connection}\nlocalhost ansible_connection=local\n")
        command = ["ansible-playbook", "-i", self.work / "hosts", "--limit", f"{self.name}", book]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(answer.read_text())


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of each release whose image is there."""
    image = f"bramble-lab/node:{request.param}"
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode
    ):
        pytest.skip(f"there is no {image}: lab/node/build {request.param}")
    work = tmp_path_factory.mktemp(request.param)
    served = work / "served"
    served.mkdir()
    work.chmod(0o755)
    name = f"bramble-apt-{request.param}-{work.parent.name}"
    server = ["python3", "-m", "http.server", "--directory", "/served", str(PORT)]
    command = ["docker", "run", "--detach", "--rm", "--name", name, "--entrypoint", server[0]]
    subprocess.run(
        [*command, "--volume", f"{served}:/served:ro", image, *server[1:]], check=True, stdout=subprocess.PIPE
    )
    try:
        yield Machine(name, served, work)
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, stdout=subprocess.PIPE)


@pytest.fixture(scope="session")
def key() -> Iterator[apt_repositories.Key]:
    """A signing key."""
    made = apt_repositories.Key.make()
    yield made
    made.close()

"""The reader of image references agrees with the Go module that Docker and containerd use, text by text."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.images.reference import InvalidReference, parse

SHA = "sha256:" + "0123456789abcdef" * 4
WORDS = [
    "nginx",
    "library",
    "docker.io",
    "index.docker.io",
    "ghcr.io",
    "localhost",
    "a_b",
    "a__b",
    "a___b",
    "a--b",
    "-a",
    "a.",
    "A",
    "Pi.local",
    "192.168.13.2",
    "[fd00::1]",
    "[::1]",
    "5000",
    "v1.0",
    "latest",
    "",
    "é",
    " ",
    SHA,
    "sha512:" + "a" * 128,
    "sha256:" + "A" * 64,
    "md5:" + "a" * 32,
    "a" * 64,
    "a" * 256,
    "registry.k8s.io",
    "_",
    "__a",
    "1.29-alpine",
    "x" * 128,
    "x" * 129,
]
COUNT = 20000


def texts() -> list[str]:
    chance = random.Random(20180404)
    found = list(WORDS)
    for _number in range(COUNT):
        parts = [chance.choice(WORDS)]
        for _part in range(chance.randint(0, 4)):
            parts += [chance.choice("//::@"), chance.choice(WORDS)]
        found.append("".join(parts))
    return found


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("go"):
        pytest.fail("Go is needed, as for the lab: apt-get install golang")
    program = tmp_path_factory.mktemp("oracle") / "oracle"
    source = Path(__file__).with_name("reference_oracle")
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=source, check=True, timeout=300)
    return program


def ours(text: str) -> dict[str, str]:
    try:
        found = parse(text)
    except InvalidReference as error:
        return {"error": str(error)}
    values = {
        "registry": found.registry,
        "repository": found.repository,
        "tag": found.tag,
        "digest": found.digest,
    }
    return {name: value for name, value in values.items() if value}


def test_agreement(oracle: Path) -> None:
    asked = texts()
    done = subprocess.run(
        [str(oracle)],
        input="\n".join(json.dumps(text) for text in asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked)
    read = [text for text, answer in zip(asked, answers) if "error" not in answer]
    assert len(read) > COUNT // 20, "too few of the texts are references for this to mean anything"
    differences = []
    for text, answer in zip(asked, answers):
        mine = ours(text)
        answer.pop("familiar", None)
        if ("error" in mine) != ("error" in answer) or ("error" not in mine and mine != answer):
            differences.append((text, mine, answer))
    assert not differences, differences[:5]

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop's volume: where each file is, and how it is read and written.

data/MODEL/                 the model's data; whoever has new data puts it here
corrections/MODEL.jsonl     what people said is right; the desk appends, trainings read
looks/MODEL.json            how far today's data is from that of the live release
releases/NAME/code/         the code as it was trained, with corrections.jsonl beside it
releases/NAME/model.joblib  the model
releases/NAME/train.json    what the training was made of
releases/NAME/heldout.joblib, reference.json, probe.json   what the check and the switch ask and compare with
releases/NAME/result.json, cases.json   what the check found; result.json comes last
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("LOOP_DATA") or "/data")


class Stop(Exception):
    """Nothing more can be done; the message is one sentence for people."""


def release_folder(name: str, root: Path = ROOT) -> Path:
    """Folder of a release."""
    return root / "releases" / name


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, and a Pi without power, has the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode())


def read_json(path: Path) -> Any:
    """Content of a JSON file; None when it is not there (or a cut write has left no JSON)."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def digest(content: bytes) -> str:
    """sha256:… of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def file_digest(path: Path) -> str:
    """sha256:… of a file."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def code_digest(texts: Mapping[str, str]) -> str:
    """Digest of a model's code: file name → text."""
    return digest(json.dumps(dict(texts), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())


def read_code(folder: Path) -> dict[str, str]:
    """File name → text of a folder, without hidden names (a ConfigMap's volume has some)."""
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(folder.iterdir())
        if not path.name.startswith((".", "__")) and path.is_file()
    }


def read_corrections(model: str, root: Path = ROOT) -> list[dict[str, Any]]:
    """What people said, the oldest first: {"case", "label", "by", "at"}. A line that was cut off is left out."""
    try:
        lines = (root / "corrections" / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("case"), str) and "label" in entry:
            found.append(entry)
    return found


def is_held_out(case: str, corrected: Iterable[str] = ()) -> bool:
    """Whether a case is kept from training: each fifth, by its name alone, so the same ones in each release.

    Of those that people corrected, each second one moves into the training and teaches; the others go on to examine,
    with the corrected label. If all moved, the hardest cases would leave the examination, and scores would flatter.
    """
    if int(hashlib.sha256(case.encode()).hexdigest()[:8], 16) % 5:
        return False
    return case not in corrected or int(hashlib.sha256(f"taught {case}".encode()).hexdigest()[:8], 16) % 2 == 0


def last_words(sentence: str) -> None:
    """Leave one sentence where Kubernetes shows it as the container's last message."""
    path = Path(os.environ.get("LOOP_LAST_WORDS") or "/dev/termination-log")
    print(sentence, flush=True)
    with contextlib.suppress(OSError):  # not in a Pod
        path.write_text(sentence[:1000] + "\n", encoding="utf-8")

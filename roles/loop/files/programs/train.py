# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains a model: reads its data with the corrections of people, and leaves the model with what it was made of.

usage: train.py MODEL RELEASE

The model's code is in $LOOP_CODE (/code). Ends with 3 and one sentence as its last words when trying again would not
help.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import joblib
from material import fingerprint, load_code, read_cases, reference, split
from volume import (
    ROOT,
    Stop,
    code_digest,
    digest,
    file_digest,
    last_words,
    read_code,
    read_corrections,
    read_json,
    release_folder,
    write_json,
    write_whole,
)

CODE = Path(os.environ.get("LOOP_CODE") or "/code")
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib")


def versions() -> dict[str, str]:
    """What the model builds on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def run(model: str, release: str) -> str:
    """Train; returns a sentence.

    :raises Stop: when trying again would not help.
    """
    folder = release_folder(release)
    if is_done(folder):
        return f"{release} was trained already"
    texts = read_code(CODE)
    if "model.py" not in texts:
        raise Stop(f"the code of {model} has no model.py.")
    corrections = read_corrections(model)
    for name, content in texts.items():
        write_whole(folder / "code" / name, content.encode())
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in corrections)
    write_whole(folder / "corrections.jsonl", lines.encode())
    code = load_code(folder / "code")
    cases = read_cases(code, model, corrections)
    data_version = str(code.version(ROOT / "data" / model, corrections))
    training, held_out = split(cases, corrections)
    begin = time.monotonic()
    try:
        estimator = code.train(training.X, training.y)
    except Exception as error:
        raise Stop(f"train() of model.py failed: {type(error).__name__}: {error}") from error
    seconds = time.monotonic() - begin
    if not hasattr(estimator, "predict"):
        raise Stop(f"train() of model.py gave {type(estimator).__name__}, which has no predict().")
    written = _dumped(estimator)
    write_whole(folder / "model.joblib", written)
    write_whole(folder / "heldout.joblib", _dumped(tuple(held_out)))
    write_json(folder / "reference.json", reference(cases))
    # Comes last: with it the training is done.
    write_json(
        folder / "train.json",
        {
            "model": model,
            "digests": {"model": digest(written), "code": code_digest(texts), "data": fingerprint(cases)},
            "dataVersion": data_version,
            "trainedBy": os.environ.get("LOOP_TRAINED_BY") or "by hand",
            "cases": {"training": len(training.ids), "heldOut": len(held_out.ids)},
            "trained": training.ids,
            "corrections": len(corrections),
            "people": sorted({str(entry.get("by")) for entry in corrections}),
            "seconds": round(seconds, 2),
            "versions": versions(),
        },
    )
    return f"trained on {len(training.ids)} cases in {seconds:.1f} s, {len(corrections)} corrections among them"


def is_done(folder: Path) -> bool:
    """Whether an earlier try has finished this training."""
    told = read_json(folder / "train.json")
    return bool(told) and file_digest(folder / "model.joblib") == told["digests"]["model"]


def _dumped(value) -> bytes:
    content = io.BytesIO()
    joblib.dump(value, content, compress=3)
    return content.getvalue()


def main(program, *arguments: str) -> int:
    """Run a program of the volume and say how it ended."""
    try:
        print(program(*arguments), flush=True)
    except Stop as stop:
        last_words(str(stop))
        return 3
    except MemoryError:
        last_words("there was not enough memory.")
        return 3
    except Exception as error:
        last_words(f"{type(error).__name__}: {error}")
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(run, *sys.argv[1:]))

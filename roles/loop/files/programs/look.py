# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks how far today's data is from the data of the release that is live, for the data loop.

usage: look.py MODEL LIVE_RELEASE
"""

from __future__ import annotations

import sys

import train
from kube import now
from material import drift, load_code, read_cases
from volume import ROOT, Stop, read_corrections, read_json, release_folder, write_json


def run(model: str, live: str) -> str:
    """Look; returns a sentence.

    :raises Stop: when trying again would not help.
    """
    before = read_json(release_folder(live) / "reference.json")
    if not before:
        raise Stop(f"{live} has left nothing to compare with.")
    moved = drift(before, read_cases(load_code(train.CODE), model, read_corrections(model)))
    name, most = next(iter(moved.items()), ("nothing", 0.0))
    told = {"live": live, "at": now(), "drift": most, "features": dict(list(moved.items())[:10])}
    write_json(ROOT / "looks" / f"{model}.json", told)
    return f"{name} has moved most since {live}: {most:g}"


if __name__ == "__main__":
    sys.exit(train.main(run, *sys.argv[1:]))

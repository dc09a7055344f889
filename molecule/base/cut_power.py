# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs role base on each of these Pis, and cuts its power at the beginning of a task.

usage: cut_power.py INVENTORY SEED PI…    base_cut of a Pi is the task's number, or random: drawn by the seed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Where the tasks are written down to which each Pi came.
NOTES = ROOT / ".lab" / "power-cuts"
#: The tasks of role base on a blank Pi; a number that is not below it cuts the power at the end.
TASKS = 28


def cut(inventory: Path, name: str, container: str, number: int) -> str:
    """Run the role on one Pi until its power is cut."""
    notes = NOTES / name
    command = f"docker kill -s KILL {container} && docker start {container}"
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "--limit", name, str(HERE / "converge.yml")],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "faults" / "plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "fault",
            "FAULT_COMMAND": command,
            "FAULT_NUMBER": str(number),
            "FAULT_TASKS": str(notes),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    tasks = notes.read_text().splitlines()
    if number < len(tasks):
        return f"{name}: power cut at the beginning of task {number} ({tasks[number]})"
    if done.returncode != 0:
        raise SystemExit(f"{name}: failed without a power cut\n{done.stdout}\n{done.stderr}")
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
    return f"{name}: power cut after the last of {len(tasks)} tasks"


def main() -> None:
    """Entry point."""
    inventory, seed, chosen = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    bramble = yaml.safe_load((inventory / "hosts.yml").read_text())["bramble"]
    hosts = {name: values or {} for group in bramble["children"].values() for name, values in group["hosts"].items()}
    wanted = {name: values["base_cut"] for name, values in hosts.items() if "base_cut" in values}
    drawn = iter(random.Random(seed).sample(range(TASKS), sum(number == "random" for number in wanted.values())))
    NOTES.mkdir(parents=True, exist_ok=True)
    numbers = {name: next(drawn) if number == "random" else number for name, number in wanted.items()}
    jobs = [(inventory, name, f"{bramble['vars']['lab_instance']}-{name}", numbers[name]) for name in chosen]
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda job: cut(*job), jobs):
            print(line)


if __name__ == "__main__":
    main()
